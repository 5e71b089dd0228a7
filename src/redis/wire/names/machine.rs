//! What this machine says about names: its hosts file, its name servers and how they are to be asked, and whether the C
//! library knows of other services. All of it is read anew for every name, as the C library does: a connect is rare, and
//! what was changed holds from the next one on.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use resolv_conf::Config;

use super::number;

/// Where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) hosts: PathBuf,
    pub(crate) resolv: PathBuf,
    pub(crate) services: PathBuf,
    /// Where name servers listen.
    pub(crate) port: u16,
}

/// How names are asked for.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) servers: Vec<SocketAddr>,
    /// The names to try for one that was given, in order.
    pub(super) candidates: Vec<String>,
    /// How often each server is asked, and how long each is waited for.
    pub(super) attempts: u32,
    pub(super) patience: Duration,
    pub(super) only_tcp: bool,
    pub(super) no_ipv6: bool,
}

impl Machine {
    /// This one.
    pub(super) fn this() -> Machine {
        #[cfg(test)]
        if let Some(other) = pretended::get() {
            return other;
        }
        Machine {
            hosts: "/etc/hosts".into(),
            resolv: "/etc/resolv.conf".into(),
            services: "/etc/nsswitch.conf".into(),
            port: 53,
        }
    }

    /// What the hosts file has under a name. `localhost` is this machine, whatever stands there (RFC 6761).
    pub(super) fn hosts(&self, host: &str) -> Vec<SocketAddr> {
        let text = fs::read(&self.hosts).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let found: Vec<_> = text.lines().filter_map(|line| entry(line, host)).collect();
        let host = host.to_ascii_lowercase();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        if found.is_empty() && is_local {
            let both = [
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Ipv6Addr::LOCALHOST.into(),
            ];
            return both.map(|ip| SocketAddr::new(ip, 0)).into();
        }
        found
    }

    /// Whom to ask for a name. A line that cannot be understood is passed over.
    pub(super) fn asking(&self, host: &str) -> Asking {
        let text = fs::read(&self.resolv).unwrap_or_default();
        let (mut config, _) = Config::parse_with_errors(&text);
        config.glibc_normalize();
        let server = |ip: String| number::number(&ip);
        let mut servers: Vec<_> = (config.nameservers.iter())
            .filter_map(|ip| server(ip.to_string()))
            .collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        }
        servers.iter_mut().for_each(|it| it.set_port(self.port));
        Asking {
            servers,
            candidates: candidates(host, &config),
            attempts: config.attempts.clamp(1, 5),
            patience: Duration::from_secs(config.timeout.clamp(1, 30).into()),
            only_tcp: config.use_vc,
            no_ipv6: config.no_aaaa,
        }
    }

    /// Whether the C library asks services that are neither the hosts file nor DNS: only it can ask those.
    pub(super) fn has_other_services(&self) -> bool {
        match fs::read(&self.services) {
            Ok(text) => names_others(&String::from_utf8_lossy(&text)),
            Err(_) => !cfg!(target_os = "linux"),
        }
    }
}

fn entry(line: &str, host: &str) -> Option<SocketAddr> {
    let mut words = line.split('#').next()?.split_whitespace();
    let ip = words.next()?;
    let is_named = words.any(|name| name.eq_ignore_ascii_case(host));
    is_named.then(|| number::number(ip)).flatten()
}

/// With fewer dots than `ndots` a name is first looked for in the domains that are to be searched.
fn candidates(host: &str, config: &Config) -> Vec<String> {
    if let Some(absolute) = host.strip_suffix('.') {
        return vec![absolute.to_owned()];
    }
    let dots = host.matches('.').count();
    let within = |domain: &String| match domain.trim_matches('.') {
        "" => None,
        domain => Some(format!("{host}.{domain}")),
    };
    let mut names: Vec<_> = (config.get_last_search_or_domain())
        .filter_map(within)
        .collect();
    let place = match dots >= config.ndots.min(15) as usize {
        true => 0,
        false => names.len(),
    };
    names.insert(place, host.to_owned());
    names
}

fn names_others(text: &str) -> bool {
    let hosts = text.lines().find_map(|line| {
        let (database, services) = line.split('#').next()?.split_once(':')?;
        (database.trim() == "hosts").then_some(services)
    });
    // In brackets: what to do after an answer.
    let services = hosts.unwrap_or_default().split(['[', ']']).step_by(2);
    let mut services = services.flat_map(str::split_whitespace);
    services.any(|service| !matches!(service, "files" | "dns"))
}

/// For tests: another machine, for the calls of this thread.
#[cfg(test)]
pub(crate) mod pretended {
    use std::cell::RefCell;

    use super::Machine;

    thread_local! { static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) } }

    pub(super) fn get() -> Option<Machine> {
        MACHINE.with_borrow(Clone::clone)
    }

    pub(crate) fn set(machine: Option<Machine>) {
        MACHINE.set(machine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_hosts_file_has_an_address_and_its_names() {
        let of = |line, host| entry(line, host).map(|it| it.ip().to_string());
        assert_eq!(
            of("10.0.0.1\tRedis redis.a # redis.b", "redis").unwrap(),
            "10.0.0.1"
        );
        assert_eq!(of("10.0.0.1 redis redis.a", "REDIS.A").unwrap(), "10.0.0.1");
        assert_eq!(of("::1 redis", "redis").unwrap(), "::1");
        for line in [
            "10.0.0.1 a # redis",
            "# 10.0.0.1 redis",
            "redis redis",
            "10.0.0.1",
            "",
        ] {
            assert_eq!(of(line, "redis"), None, "{line}");
        }
    }

    #[test]
    fn domains_are_searched_before_or_after_the_name_itself() {
        let of = |conf: &str, host| candidates(host, &Config::parse_with_errors(conf.as_bytes()).0);
        assert_eq!(of("", "redis"), ["redis"]);
        assert_eq!(of("search a b.", "redis"), ["redis.a", "redis.b", "redis"]);
        assert_eq!(of("search a b\ndomain c", "redis"), ["redis.c", "redis"]);
        assert_eq!(of("search a", "redis.x"), ["redis.x", "redis.x.a"]);
        assert_eq!(
            of("search a\noptions ndots:5", "redis.x"),
            ["redis.x.a", "redis.x"]
        );
        assert_eq!(
            of("search a\nrubbish\noptions what ndots:0", "redis"),
            ["redis", "redis.a"]
        );
        assert_eq!(of("search a", "redis."), ["redis"]);
    }

    #[test]
    fn only_services_besides_files_and_dns_are_others() {
        for text in [
            "",
            "passwd: files ldap",
            "hosts: files dns",
            "hosts:\tfiles [!UNAVAIL=return] dns # ldap",
        ] {
            assert!(!names_others(text), "{text}");
        }
        for text in [
            "hosts: files mdns4_minimal [NOTFOUND=return] dns",
            "hosts:files dns ldap",
        ] {
            assert!(names_others(text), "{text}");
        }
    }
}
