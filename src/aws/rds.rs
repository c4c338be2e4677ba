//! Passwords for a PostgreSQL of RDS or Aurora, made from AWS credentials (Amazon RDS User Guide, "Connecting to your DB
//! instance using IAM authentication"): a presigned request for `rds-db:connect`, never sent. It calls no API.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;

use crate::aws::credentials::Connection;
use crate::aws::rest::segment;

/// How long a password is good for new connections.
const LIFE: Duration = Duration::from_secs(900);

/// Who logs in, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// As the server's certificate names it: RDS checks the signature over this name.
    pub host: String,
    pub port: u16,
    /// The database user, which has `rds_iam`.
    pub user: String,
}

impl Login {
    /// A password for the next fifteen minutes, by these credentials.
    ///
    /// # Errors
    /// Where there are no credentials, or they cannot sign.
    pub async fn password(&self, connection: &Connection) -> Result<String, String> {
        let access = connection.access();
        let credentials = access.credentials().await.map_err(|failure| failure.message)?;
        self.sign(credentials, self.region().unwrap_or(access.home()), SystemTime::now())
    }

    /// The region in the host's name: `….eu-west-1.rds.amazonaws.com`.
    fn region(&self) -> Option<&str> {
        let (before, _) = self.host.split_once(".rds.")?;
        before.rsplit('.').next()
    }

    fn sign(&self, credentials: Credentials, region: &str, now: SystemTime) -> Result<String, String> {
        let why = |e: &dyn std::fmt::Display| format!("the login could not be signed: {e}");
        let identity: Identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(LIFE);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|e| why(&e))?
            .into();
        let authority = format!("{}:{}", self.host, self.port);
        let user = segment(&self.user);
        let path = format!("{authority}/?Action=connect&DBUser={user}");
        let uri = format!("https://{path}");
        let request = SignableRequest::new("GET", &uri, [("host", authority.as_str())].into_iter(), SignableBody::empty())
            .map_err(|e| why(&e))?;
        let (instructions, _) = sign(request, &params).map_err(|e| why(&e))?.into_parts();
        let mut signed = path;
        for (name, value) in instructions.params() {
            signed += &format!("&{name}={}", segment(value));
        }
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(host: &str) -> Login {
        Login { host: host.into(), port: 5432, user: "bartizan_rw".into() }
    }

    /// What botocore's `generate_db_auth_token` makes of the same credentials at the same time.
    #[test]
    fn passwords_are_those_of_the_aws_sdks() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_315_200);
        let login = login("ledger.cx1.eu-west-1.rds.amazonaws.com");
        for (token, rest) in [
            (None, "&X-Amz-Signature=04afb00ded32bf61a00f9921df8600ee29045323eb65efe33b050298b45251c4"),
            (
                Some("TOKEN/with+signs=="),
                "&X-Amz-Security-Token=TOKEN%2Fwith%2Bsigns%3D%3D\
                 &X-Amz-Signature=e779f1db85972000c54e76681965ee8095ef4d88e65bdfd4590b8fce657b7bba",
            ),
        ] {
            let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let credentials = Credentials::new("AKIDEXAMPLE", key, token.map(str::to_owned), None, "test");
            let password = login.sign(credentials, login.region().unwrap(), at).unwrap();
            let start = "ledger.cx1.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=bartizan_rw\
                         &X-Amz-Algorithm=AWS4-HMAC-SHA256\
                         &X-Amz-Credential=AKIDEXAMPLE%2F20260601%2Feu-west-1%2Frds-db%2Faws4_request\
                         &X-Amz-Date=20260601T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
            let sorted = |text: &str| {
                let mut parts: Vec<String> = text.split('&').map(str::to_owned).collect();
                parts.sort();
                parts
            };
            assert_eq!(sorted(&password), sorted(&format!("{start}{rest}")));
        }
    }

    #[test]
    fn the_region_is_the_servers_own() {
        assert_eq!(login("a.b.eu-west-1.rds.amazonaws.com").region(), Some("eu-west-1"));
        assert_eq!(login("a.cluster-b.cn-north-1.rds.amazonaws.com.cn").region(), Some("cn-north-1"));
        assert_eq!(login("ledger.example.com").region(), None);
    }
}
