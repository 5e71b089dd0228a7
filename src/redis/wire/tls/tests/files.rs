//! What is found before anything connects: files, names, and what is shared.

use super::*;

fn refusal(options: &TlsOptions) -> String {
    let error = prepare(options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error.to_string()
}

fn shared(settings: &TlsSettings, address: &Address) -> *const rustls::ClientConfig {
    std::sync::Arc::as_ptr(&settings.of_server(address).unwrap().0)
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_option() {
    let office = Office::open();
    let client = office.authority.client("app");
    let other = office.authority.client("other");
    let good = office.options_of(&client);
    let folder = &office.folder.0;
    let write = |name, text: &str| Some(certs::write(folder, name, text));
    let (no_path, is_folder) = (Some(folder.join("none")), Some(folder.clone()));
    let empty = write("empty.pem", "");
    let torn = write("torn.pem", &office.authority.pem()[..200]);
    let word = "-----BEGIN CERTIFICATE-----\nsecret!\n-----END CERTIFICATE-----\n";
    let not_base64 = write("not64.pem", word);
    let no_certificate = write(
        "der.pem",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    );
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = write("locked.key", locked);
    let no_key = write(
        "bad.key",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    );
    let other_key = write("other.key", &other.key());
    let (cert, key) = (good.cert.clone(), good.key.clone());
    let options =
        |ca: &Option<PathBuf>, cert: &Option<PathBuf>, key: &Option<PathBuf>| TlsOptions {
            ca: ca.clone(),
            cert: cert.clone(),
            key: key.clone(),
            ..TlsOptions::default()
        };
    let ca = &good.ca;
    let cases = [
        (
            options(&no_path, &None, &None),
            "`tls_ca`",
            "none: cannot be read: No such file",
        ),
        (
            options(&is_folder, &None, &None),
            "`tls_ca`",
            "cannot be read: ",
        ),
        (
            options(&empty, &None, &None),
            "`tls_ca`",
            "empty.pem: it has no certificate",
        ),
        (
            options(&key, &None, &None),
            "`tls_ca`",
            "client.key: it has no certificate",
        ),
        (
            options(&torn, &None, &None),
            "`tls_ca`",
            "torn.pem: it is no valid PEM file: it has a section without an end",
        ),
        (
            options(&not_base64, &None, &None),
            "`tls_ca`",
            "a section that is not base64",
        ),
        (
            options(&no_certificate, &None, &None),
            "`tls_ca`",
            "der.pem: certificate 1 is no CA to trust",
        ),
        (options(ca, &no_path, &key), "`tls_cert`", "cannot be read"),
        (options(ca, &cert, &no_path), "`tls_key`", "cannot be read"),
        (
            options(ca, &empty, &key),
            "`tls_cert`",
            "it has no certificate",
        ),
        (
            options(ca, &no_certificate, &key),
            "`tls_cert`",
            "der.pem: the certificate cannot be used",
        ),
        (
            options(ca, &cert, &cert),
            "`tls_key`",
            "client.crt: it has no private key",
        ),
        (
            options(ca, &cert, &locked),
            "`tls_key`",
            "locked.key: it has no private key",
        ),
        (
            options(ca, &cert, &no_key),
            "`tls_key`",
            "bad.key: the key cannot be used",
        ),
        (
            options(ca, &cert, &other_key),
            "`tls_key`",
            "other.key: it is not the key of the certificate in ",
        ),
        (
            options(ca, &cert, &None),
            "`tls_cert` and `tls_key`",
            "one needs the other",
        ),
        (
            options(ca, &None, &key),
            "`tls_cert` and `tls_key`",
            "one needs the other",
        ),
    ];
    for (options, option, part) in cases {
        let error = refusal(&options);
        assert!(error.starts_with("option"), "{error}");
        assert!(error.contains(option) && error.contains(part), "{error}");
        assert!(!error.contains("secret"), "{error}");
        // What is insecure is not thereby right.
        let insecure = TlsOptions {
            insecure: Some(true),
            ..options
        };
        assert_eq!(refusal(&insecure), error);
    }
    prepare(&good).unwrap();
}

#[test]
fn keys_of_every_kind_are_taken() {
    let office = Office::open();
    for client in [
        office.authority.client("app"),
        office.authority.rsa_client("app"),
    ] {
        let options = office.options_of(&client);
        prepare(&options).unwrap();
        let old = client.old_key();
        assert!(
            old.starts_with("-----BEGIN EC PRIVATE") || old.starts_with("-----BEGIN RSA PRIVATE")
        );
        std::fs::write(options.key.as_ref().unwrap(), old).unwrap();
        prepare(&options).unwrap();
    }
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    let office = Office::open();
    let named = |name: &str| TlsOptions {
        server_name: Some(name.into()),
        ..office.options()
    };
    assert_eq!(
        refusal(&named("not a name")),
        "option `tls_server_name`: `not a name` is neither a host name nor an IP address"
    );
    let settings = office.settings();
    for host in ["localhost", "redis_1.internal", "127.0.0.1", "::1"] {
        settings.check(&at(host, 1)).unwrap();
    }
    let error = settings.check(&at("no name", 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`tls_server_name`"), "{error}");
    let settings = prepare(&named("10.0.0.1")).unwrap();
    settings.check(&at("no name", 1)).unwrap();
}

#[test]
fn the_same_options_share_one_configuration_and_every_server_has_its_sessions() {
    let office = Office::open();
    let (first, again) = (office.settings(), office.settings());
    let (one, two) = (local(1), local(2));
    assert_eq!(shared(&first, &one), shared(&again, &one));
    assert_ne!(shared(&first, &one), shared(&first, &two));
    // What was found right for one name says nothing of another.
    for (name, is_same) in [("localhost", true), ("elsewhere", false)] {
        let options = TlsOptions {
            server_name: Some(name.into()),
            ..office.options()
        };
        let named = prepare(&options).unwrap();
        assert_eq!(shared(&named, &one) == shared(&first, &one), is_same);
    }

    let renewed = Authority::new("the same, renewed");
    std::fs::write(&office.ca, renewed.pem()).unwrap();
    assert_ne!(shared(&office.settings(), &one), shared(&first, &one));
}

#[test]
fn only_what_is_insecure_calls_for_caution() {
    let office = Office::open();
    assert_eq!(office.settings().caution(), None);
    let options = TlsOptions {
        insecure: Some(true),
        ..TlsOptions::default()
    };
    let settings = prepare(&options).unwrap();
    assert!(settings.caution().unwrap().contains("tls_insecure"));
}
