//! What the locations of sentinels say of the servers that sentinels name, which no location stands for. A sentinel's
//! user and password stand in front of its host; what its query says is meant for the servers, so that one line can
//! say all. TLS is for both.

use super::location::{Location, Login};
use super::options::{Options, TlsOptions};

/// Takes over what the queries say.
pub(crate) fn take_over(options: &mut Options, locations: &mut [Location]) -> Result<(), String> {
    for location in locations {
        let Login {
            db,
            username,
            password,
            password_file,
        } = location.said.by_query.clone();
        let given = (options.db != 0).then_some(options.db);
        options.db = agree("db", given, db)?.unwrap_or_default();
        options.username = agree("username", options.username.take(), username)?;
        options.password = agree("password", options.password.take(), password)?;
        options.password_file =
            agree("password_file", options.password_file.take(), password_file)?;
        let own = location.said.by_address.clone();
        if own.db.is_some_and(|db| db != 0) {
            return Err(format!(
                "location `{}`: a sentinel has no databases; that of the servers is option `db`",
                location.shown
            ));
        }
        location.db = Some(0);
        location.username = own.username;
        location.password = own.password;
        location.password_file = None;
        fill(&mut options.tls, &location.tls_options);
    }
    Ok(())
}

fn agree<T: PartialEq>(name: &str, given: Option<T>, said: Option<T>) -> Result<Option<T>, String> {
    match (given, said) {
        (Some(given), Some(said)) if given != said => Err(format!(
            "option `{name}` is given twice with different values, but counts for all servers"
        )),
        (given, said) => Ok(given.or(said)),
    }
}

/// A sentinel may have files of its own, so the first one that says something is heard.
fn fill(all: &mut TlsOptions, said: &TlsOptions) {
    let said = said.clone();
    let TlsOptions {
        ca,
        cert,
        key,
        server_name,
        insecure,
    } = std::mem::take(all);
    // A key belongs to its certificate.
    let (cert, key) = match cert.is_some() || key.is_some() {
        true => (cert, key),
        false => (said.cert, said.key),
    };
    *all = TlsOptions {
        ca: ca.or(said.ca),
        cert,
        key,
        server_name,
        insecure: insecure.or(said.insecure),
    };
}
