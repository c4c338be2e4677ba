//! Owns how an installed `session-manager-plugin` is called in place of our own data channel: its version, its arguments, its
//! environment. It does not own the session that it carries (`carrier`), nor whether one is wanted.
//!
//! The call is the one that the AWS CLI makes (`aws ssm start-session`): the session, the region, the operation, the profile, the
//! request and the endpoint as arguments. The session's token stands in the environment, where `ps` does not show it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::Credentials;
use portable_pty::CommandBuilder;
use serde_json::json;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::ssm::handshake::Version;
use crate::ssm::service::{StartRequest, Started};

/// What the plugin is called.
pub const NAME: &str = "session-manager-plugin";
/// The last version that takes the token as an argument only.
const TOKEN_IN_SIGHT: &str = "1.2.497.0";
/// The last version that does not sign the data channel, which AWS asks for.
const UNSIGNED: &str = "1.2.763.0";
/// The variable whose name stands in place of the session.
const VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// How long it may take to say its version.
const SAYING: Duration = Duration::from_secs(10);

/// Why the plugin is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    #[error("{program} could not be run: {why}; install AWS's Session Manager plugin, or leave it out: none is needed")]
    Missing { program: String, why: String },
    #[error("{program} --version said {said:?}, which is no version of AWS's Session Manager plugin")]
    Foreign { program: String, said: String },
    #[error(
        "{program} is of version {version}: up to {TOKEN_IN_SIGHT} the session's token would stand in the list of processes; \
         install a newer one, or leave it out: none is needed"
    )]
    TooOld { program: String, version: String },
}

/// An installed plugin that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    program: PathBuf,
    version: String,
    /// Where it resumes and ends sessions.
    endpoint: String,
}

/// How the plugin is called for one session. `Debug` hides the environment.
pub struct PluginCall {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// To be set, and to be taken away where there is no value.
    pub environment: Vec<(&'static str, Option<Zeroizing<String>>)>,
}

impl fmt::Debug for PluginCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginCall({} {:?})", self.program.display(), self.arguments)
    }
}

impl Plugin {
    /// Asks a program for its version.
    ///
    /// # Errors
    /// It cannot be run, is none, or is too old to be handed a token unseen.
    pub async fn find(program: &Path) -> Result<Self, PluginError> {
        let name = program.display().to_string();
        let missing = |why: String| PluginError::Missing { program: name.clone(), why };
        let mut asking = Command::new(program);
        asking.arg("--version").stdin(std::process::Stdio::null()).kill_on_drop(true);
        let answer = match tokio::time::timeout(SAYING, asking.output()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(missing(error.to_string())),
            Err(_) => return Err(missing(format!("it did not say its version within {} s", SAYING.as_secs()))),
        };
        let said: String = String::from_utf8_lossy(&answer.stdout).trim().chars().take(60).collect();
        let version = Version::parse(&said);
        if !version.is_newer_than("0.0.0.0") {
            return Err(PluginError::Foreign { program: name, said });
        }
        if !version.is_newer_than(TOKEN_IN_SIGHT) {
            return Err(PluginError::TooOld { program: name, version: said });
        }
        Ok(Self { program: program.to_owned(), version: said, endpoint: String::new() })
    }

    /// The same, resuming and ending sessions at this endpoint of Systems Manager.
    #[must_use]
    pub fn at(self, endpoint: String) -> Self {
        Self { endpoint, ..self }
    }

    /// What it said of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What speaks against this version.
    pub fn doubt(&self) -> Option<String> {
        let signs = Version::parse(&self.version).is_newer_than(UNSIGNED);
        (!signs).then(|| format!("{NAME} {} does not sign the data channel; AWS asks for 1.2.764.0 or newer", self.version))
    }

    /// How it is called for a session. Without credentials it looks for its own.
    pub fn call(&self, request: &StartRequest, started: &Started, region: &str, credentials: Option<&Credentials>) -> PluginCall {
        let session =
            json!({"SessionId": started.session_id, "TokenValue": started.token.reveal(), "StreamUrl": started.stream_url});
        let mut asked = json!({"Target": request.target});
        if let Some(document) = &request.document {
            asked["DocumentName"] = document.as_str().into();
        }
        if !request.parameters.is_empty() {
            asked["Parameters"] = json!(request.parameters);
        }
        if let Some(reason) = &request.reason {
            asked["Reason"] = reason.as_str().into();
        }
        let secret = |text: &str| Some(Zeroizing::new(text.to_owned()));
        let mut environment = vec![(VARIABLE, secret(&session.to_string()))];
        if let Some(keys) = credentials {
            environment.extend([
                ("AWS_ACCESS_KEY_ID", secret(keys.access_key_id())),
                ("AWS_SECRET_ACCESS_KEY", secret(keys.secret_access_key())),
                ("AWS_SESSION_TOKEN", keys.session_token().and_then(secret)),
                // A profile would be another identity than the one the session was started with.
                ("AWS_PROFILE", None),
                ("AWS_DEFAULT_PROFILE", None),
                ("AWS_REGION", secret(region)),
                ("AWS_DEFAULT_REGION", secret(region)),
            ]);
        }
        let arguments = [VARIABLE, region, "StartSession", "", &asked.to_string(), &self.endpoint];
        PluginCall { program: self.program.clone(), arguments: arguments.map(str::to_owned).into(), environment }
    }
}

impl PluginCall {
    /// As a process with the streams of this one.
    pub fn process(&self) -> Command {
        let mut process = Command::new(&self.program);
        process.args(&self.arguments);
        for (name, value) in &self.environment {
            match value {
                Some(value) => process.env(name, value.as_str()),
                None => process.env_remove(name),
            };
        }
        process
    }

    /// As a program on a terminal of its own.
    pub(super) fn on_terminal(&self) -> CommandBuilder {
        let mut builder = CommandBuilder::new(&self.program);
        builder.args(&self.arguments);
        for (name, value) in &self.environment {
            match value {
                Some(value) => builder.env(name, value.as_str()),
                None => builder.env_remove(name),
            }
        }
        // What is written is read by an emulator of this kind.
        builder.env("TERM", "xterm-256color");
        if let Ok(directory) = std::env::current_dir() {
            builder.cwd(directory);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssm::service::Token;

    fn plugin(version: &str) -> Plugin {
        Plugin { program: NAME.into(), version: version.into(), endpoint: "https://ssm.eu-west-1.amazonaws.com".into() }
    }

    #[test]
    fn the_token_and_the_keys_stand_in_the_environment_alone() {
        let started = Started {
            session_id: "jo-1".into(),
            token: Token::new("t0ken"),
            stream_url: "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/jo-1?cell-number=a+b/c=".into(),
        };
        let request = StartRequest::port("i-1", 5432).because("INC-7");
        let keys = Credentials::new("AKID", "s3cret", None, None, "test");
        let call = plugin("1.2.764.0").call(&request, &started, "eu-west-1", Some(&keys));
        let [session, region, operation, profile, asked, endpoint] = call.arguments.as_slice() else { panic!("{call:?}") };
        assert_eq!((session.as_str(), region.as_str()), ("AWS_SSM_START_SESSION_RESPONSE", "eu-west-1"));
        assert_eq!((operation.as_str(), profile.as_str()), ("StartSession", ""));
        assert_eq!(endpoint, "https://ssm.eu-west-1.amazonaws.com");
        let asked: serde_json::Value = serde_json::from_str(asked).unwrap();
        assert_eq!((&asked["Target"], &asked["Reason"]), (&json!("i-1"), &json!("INC-7")));
        assert_eq!(asked["Parameters"]["portNumber"], json!(["5432"]));
        let value = |name: &str| call.environment.iter().find(|(n, _)| *n == name).unwrap().1.as_ref().map(|v| v.as_str());
        let told: serde_json::Value = serde_json::from_str(value("AWS_SSM_START_SESSION_RESPONSE").unwrap()).unwrap();
        assert_eq!(told, json!({"SessionId": "jo-1", "TokenValue": "t0ken", "StreamUrl": started.stream_url}));
        assert_eq!((value("AWS_ACCESS_KEY_ID"), value("AWS_SESSION_TOKEN"), value("AWS_PROFILE")), (Some("AKID"), None, None));
        assert!(!call.arguments.iter().any(|a| a.contains("t0ken") || a.contains("s3cret")));
        assert!(!format!("{call:?}").contains("s3cret"));
    }

    #[test]
    fn a_version_that_does_not_sign_is_told_of() {
        assert_eq!(plugin("1.2.764.0").doubt(), None);
        assert_eq!(plugin("1.2.1000.0").doubt(), None);
        assert!(plugin("1.2.707.0").doubt().unwrap().contains("1.2.764.0"));
    }
}
