//! Where a ledger is: a file or a PostgreSQL. A password never leaves this type by `Debug`, `Display` or an error.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::ledger::error::{LedgerError, Result};

/// A ledger's address.
#[derive(Clone)]
pub enum Address {
    /// A SQLite file.
    File(PathBuf),
    /// Anything that speaks PostgreSQL.
    Postgres(Box<Server>),
}

/// A PostgreSQL, with what it takes to log in.
#[derive(Clone)]
pub struct Server {
    pub(crate) options: PgConnectOptions,
    shown: String,
}

impl Address {
    /// Reads `postgres://…`, `postgresql://…`, `sqlite:PATH`, or a path. TLS is required for servers that are not on this
    /// machine unless `sslmode` says otherwise (`verify-full` with `sslrootcert` is what to use in a team).
    ///
    /// # Errors
    /// Where it is neither; the message holds no password.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            "postgres" | "postgresql" => {
                let shown = without_password(text);
                let mut options = PgConnectOptions::from_str(text)
                    .map_err(|e| LedgerError::Address { address: shown.clone(), why: hide(&e.to_string(), password(text)) })?;
                let local = options.get_socket().is_some() || is_loopback(options.get_host());
                if !local && matches!(options.get_ssl_mode(), PgSslMode::Prefer) && !text.contains("sslmode=") {
                    options = options.ssl_mode(PgSslMode::Require);
                }
                options = options.application_name("bartizan");
                Ok(Self::Postgres(Box::new(Server { options, shown })))
            }
            "sqlite" => Self::file(rest.strip_prefix("//").unwrap_or(rest), text),
            "mysql" | "mariadb" | "http" | "https" | "mongodb" => {
                Err(LedgerError::Address { address: without_password(text), why: format!("{scheme} is not a kind of ledger") })
            }
            _ => Self::file(text, text),
        }
    }
    fn file(path: &str, whole: &str) -> Result<Self> {
        if path.is_empty() || path.contains('\0') {
            return Err(LedgerError::Address {
                address: without_password(whole),
                why: "the path is empty or holds a zero byte".into(),
            });
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

impl Server {
    /// Host, port and user to log in as.
    pub fn login(&self) -> (&str, u16, &str) {
        (self.options.get_host(), self.options.get_port(), self.options.get_username())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(server) => f.write_str(&server.shown),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.starts_with('/') || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The password between the authority's first `:` and its last `@`.
fn password(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    // A password may hold an unescaped `/` or `?`, so the last `@` counts, not the first `/`.
    let authority = &rest[..rest.rfind('@')?];
    authority.split_once(':').map(|(_, password)| password)
}

/// The address without its password and without its parameters, which may hold one too.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.chars().take(300).collect() };
    let (user, host) = match rest.rsplit_once('@') {
        Some((authority, host)) => (authority.split(':').next().unwrap_or_default(), host),
        None => ("", rest),
    };
    let host = host.split(['?', '#']).next().unwrap_or_default();
    let at = if user.is_empty() { "" } else { "@" };
    format!("{scheme}://{user}{at}{host}").chars().take(300).collect()
}

fn hide(message: &str, password: Option<&str>) -> String {
    match password {
        Some(password) if !password.is_empty() => message.replace(password, "…"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows() {
        for url in [
            "postgres://jo:s3cret@db.example:5432/ledger?sslmode=verify-full",
            "postgres://jo:s3cret@db.example:99999/ledger",
            "postgresql://jo:a/s3cret?b@db/ledger",
            "postgres://jo@db/ledger?password=s3cret",
            "postgres://jo:s3cret@db/ledger?sslmode=s3cret",
            "mysql://jo:s3cret@db/ledger",
        ] {
            let said = match Address::parse(url) {
                Ok(address) => format!("{address} {address:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn tls_is_required_away_from_this_machine() {
        for (url, mode) in [
            ("postgres://jo@db.example/l", "Require"),
            ("postgres://jo@127.0.0.1/l", "Prefer"),
            ("postgres://jo@db.example/l?sslmode=disable", "Disable"),
            ("postgres://jo@db.example/l?sslmode=verify-full", "VerifyFull"),
        ] {
            let Address::Postgres(server) = Address::parse(url).unwrap() else { panic!("{url}") };
            assert_eq!(format!("{:?}", server.options.get_ssl_mode()), mode, "{url}");
        }
    }

    #[test]
    fn files() {
        assert_eq!(Address::parse("sqlite:/a/b.db").unwrap().to_string(), "/a/b.db");
        assert_eq!(Address::parse("/a/b.db").unwrap().to_string(), "/a/b.db");
        assert!(Address::parse("").is_err());
        assert!(Address::parse("sqlite:").is_err());
    }
}
