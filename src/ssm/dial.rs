//! Owns the socket of a data channel: TCP, TLS and the WebSocket upgrade. It does not own what is signed (`upgrade`) nor what is
//! said over it. TLS is rustls with the operating system's roots.

use std::fmt;
use std::sync::{Arc, OnceLock};

use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, http};

use crate::ssm::frame::MAX_FRAME;
use crate::ssm::service::BoxFuture;
use crate::ssm::upgrade::StreamUrl;

/// A byte stream under a WebSocket.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn Io>>;

/// Why there is no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data channel at {host} could not be opened: {why}")]
pub struct DialError {
    pub host: String,
    /// The HTTP status that refused the upgrade, if it came so far.
    pub status: Option<u16>,
    pub why: String,
}

/// Opens sockets. The default is [`Network`]; tests have streams in memory.
pub trait Dial: Send + Sync + 'static {
    /// One dial with this request.
    fn dial<'a>(&'a self, url: &'a StreamUrl, request: http::Request<()>) -> BoxFuture<'a, Result<Socket, DialError>>;
}

/// Limits of our WebSockets: a message is one agent message, never more than [`MAX_FRAME`].
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 << 10)
        .write_buffer_size(64 << 10)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
}

/// Upgrades a stream that is already connected.
pub async fn upgrade(host: &str, io: Box<dyn Io>, request: http::Request<()>) -> Result<Socket, DialError> {
    let failed = |error: WsError| match error {
        WsError::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let body: String = body.chars().filter(|c| !c.is_control()).take(300).collect();
            let why = format!("HTTP {} {body}", response.status()).trim_end().to_owned();
            DialError { host: host.into(), status: Some(response.status().as_u16()), why }
        }
        other => DialError { host: host.into(), status: None, why: other.to_string() },
    };
    tokio_tungstenite::client_async_with_config(request, io, Some(limits())).await.map(|(socket, _)| socket).map_err(failed)
}

/// An HTTP proxy that is asked to CONNECT. `Debug` hides its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

/// A proxy that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy address cannot be used: {0}; write it as http://host:port or http://user:password@host:port")]
pub struct ProxyError(&'static str);

impl Proxy {
    /// Reads `http://[user:password@]host[:port]`, as in `HTTPS_PROXY`.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let uri: http::Uri = text.parse().map_err(|_| ProxyError("it is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(ProxyError("only http proxies are spoken to"));
        }
        let authority = uri.authority().ok_or(ProxyError("it has no host"))?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authorization: user.map(|user| format!("Basic {}", BASE64.encode(&percent_decoded(user)))),
        })
    }

    /// Asks for a way to this host and port.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let failed = |error: std::io::Error| format!("the proxy {}:{}: {error}", self.host, self.port);
        let mut tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let authorization = self.authorization.as_ref().map(|a| format!("Proxy-Authorization: {a}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut answer = Vec::new();
        // To the byte: what follows belongs to the connection.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= 8192 {
                return Err("the proxy's answer is too long".into());
            }
            answer.push(tcp.read_u8().await.map_err(failed)?);
        }
        let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
        if line.split(' ').nth(1) != Some("200") {
            let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
            return Err(format!("the proxy {}:{} refused: {line}", self.host, self.port));
        }
        Ok(tcp)
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Dials over TCP, through a proxy where one is given, with TLS where the URL says so.
#[derive(Clone, Default)]
pub struct Network {
    tls: OnceLock<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    /// With the operating system's roots, read at the first use.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this TLS configuration, for example one that trusts a company's own root.
    pub fn with_tls(config: Arc<ClientConfig>) -> Self {
        Self { tls: OnceLock::from(config), proxy: None }
    }

    /// The same through this proxy. Which hosts need none is the caller's to know.
    #[must_use]
    pub fn through(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err("this machine has no root certificates that TLS could trust; install its CA certificates".into());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, url: &'a StreamUrl, request: http::Request<()>) -> BoxFuture<'a, Result<Socket, DialError>> {
        Box::pin(async move {
            let failed = |why: String| DialError { host: url.host.clone(), status: None, why };
            let tcp = match &self.proxy {
                Some(proxy) => proxy.connect(&url.host, url.port).await.map_err(failed)?,
                None => TcpStream::connect((url.host.as_str(), url.port)).await.map_err(|e| failed(e.to_string()))?,
            };
            // Keystrokes must not wait for each other.
            tcp.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
            let io: Box<dyn Io> = if url.tls {
                let name = ServerName::try_from(url.host.clone()).map_err(|e| failed(e.to_string()))?;
                let connector = TlsConnector::from(self.tls().map_err(failed)?);
                Box::new(connector.connect(name, tcp).await.map_err(|e| failed(format!("TLS: {e}")))?)
            } else {
                Box::new(tcp)
            };
            upgrade(&url.host, io, request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_they_are_written() {
        let proxy = Proxy::parse("http://jo:p%40ss@proxy.example:3128").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic am86cEBzcw=="));
        assert!(!format!("{proxy:?}").contains("am86"));
        assert_eq!(Proxy::parse("http://proxy.example/").unwrap().port, 80);
        assert!(Proxy::parse("socks5://proxy.example:1").is_err());
        assert!(Proxy::parse("proxy.example:3128").is_err());
        assert_eq!(percent_decoded("a%2"), b"a%2");
    }
}
