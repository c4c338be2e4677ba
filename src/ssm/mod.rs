//! The Session Manager protocol: shells, commands and port forwards on nodes over AWS's data channel, without the AWS CLI, its
//! plugin, open ports or keys on machines. This room knows nothing of the rest of the program.
//!
//! The caller brings the AWS calls as a [`service::Service`]; everything else is here: the frames ([`frame`]), the handshake
//! ([`handshake`]) and its encryption ([`crypt`]), the signed upgrade ([`upgrade`]) and its socket ([`dial`]), order and
//! repetition ([`stream`]), the client's state machine ([`channel`]) and connection ([`link`]), the running session
//! ([`session`]), and port forwards ([`forward`]) over multiplexed streams ([`smux`]). [`plugin`] has an installed
//! `session-manager-plugin` carry a session instead. [`gateway`] is the other side on 127.0.0.1, for the demo and for tests.
//!
//! A session survives what its client does not, too: [`standing`] tells where it stands, and [`session::Session::take_up`] goes on.
//!
//! A session survives what its connection does not: the hourly close, a changed network, a sleeping laptop, credentials that ran
//! out. What is typed meanwhile is kept and sent once.
//!
//! ```
//! use bytes::Bytes;
//! use bartizan::ssm::frame::Size;
//! use bartizan::ssm::gateway::{Gateway, GatewayOptions};
//! use bartizan::ssm::handshake::SessionType;
//! use bartizan::ssm::service::StartRequest;
//! use bartizan::ssm::session::{End, Event, Session, SessionOptions};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // With AWS, `service` would be yours and `endpoints` the default.
//! let gateway = Gateway::listen(GatewayOptions::default()).await?;
//! let options = SessionOptions {
//!     size: Some(Size { cols: 120, rows: 40 }),
//!     endpoints: gateway.endpoints(),
//!     ..SessionOptions::new(SessionType::Shell, "eu-west-1")
//! };
//! let request = StartRequest::shell("i-0123456789abcdef0").because("finding 42");
//! let mut session = Session::start(gateway.service(), &request, options).await?;
//!
//! session.input.send(Bytes::from_static(b"exit\r")).await?;
//! while let Some(event) = session.events.next().await {
//!     match event {
//!         Event::Output(bytes) => println!("{} bytes for the terminal emulator", bytes.len()),
//!         Event::End(end) => assert_eq!(end, End::Closed(String::new())),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod carrier;
pub mod channel;
mod clock;
pub mod crypt;
pub mod dial;
mod driver;
pub mod forward;
pub mod frame;
pub mod gateway;
pub mod handshake;
mod lane;
pub mod link;
pub mod plugin;
pub mod service;
pub mod session;
pub mod smux;
pub mod standing;
pub mod stream;
mod terms;
pub mod upgrade;
