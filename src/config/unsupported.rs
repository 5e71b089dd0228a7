//! What the options can say and this version cannot do. Nothing is accepted and then ignored: what has no machinery
//! yet is refused here, and each refusal goes when its machinery comes.

use super::hooks::Hooks;
use super::location::Location;
use super::options::{Options, TlsOptions};
use super::table::find;

/// Options that must have their default value.
const FIXED: &[&str] = &["near", "near_untracked", "near_ttl", "near_max_lag"];

/// Refuses what this version does not do.
pub(crate) fn refuse(
    options: &Options,
    locations: &[Location],
    hooks: &Hooks,
) -> Result<(), String> {
    for location in locations.iter().filter(|location| location.tls) {
        check_connector(location, hooks)
            .map_err(|text| format!("location `{}`: {text}", location.shown))?;
    }
    let default = Options::default();
    for name in FIXED {
        let row = find(name)?;
        if !row.is_same(options, &default) {
            let default = row.show(&default);
            return Err(format!(
                "option `{name}`: this version accepts only its default, `{default}`"
            ));
        }
    }
    Ok(())
}

/// A connector brings its own TLS; of the options it is only told `tls_insecure`.
fn check_connector(location: &Location, hooks: &Hooks) -> Result<(), String> {
    let told = TlsOptions {
        insecure: location.tls_options.insecure,
        ..TlsOptions::default()
    };
    if hooks.connector.is_some() && location.tls_options != told {
        return Err("of the TLS options a `connector` is only told `tls_insecure`".to_owned());
    }
    Ok(())
}
