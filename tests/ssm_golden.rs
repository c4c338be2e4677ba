//! Recorded traffic of the public peers: frames to the byte, the encrypted exchange, the signature.
//! Read from the directory in `BARTIZAN_SHARED`; skipped, by name, without it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bartizan::ssm::crypt::{SessionKeys, Side};
use bartizan::ssm::frame::{
    Acknowledge, Flag, Frame, MessageType, OpenDataChannel, PayloadType, Size, exit_code, exit_code_payload,
};
use bartizan::ssm::handshake::{Asked, Challenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, PortMode};
use bartizan::ssm::upgrade::{Endpoints, StreamUrl};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde_json::Value;

fn golden(test: &str, file: &str) -> Option<Value> {
    let Some(root) = std::env::var_os("BARTIZAN_SHARED") else {
        eprintln!("{test}: skipped, BARTIZAN_SHARED is not set");
        return None;
    };
    let path = std::path::Path::new(&root).join("ssm").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("{test}: skipped, {} is not there", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn hex(value: &Value) -> Bytes {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap().into()
}

#[test]
fn every_recorded_frame_is_read_and_written_to_the_byte() {
    let Some(frames) = golden("every_recorded_frame_is_read_and_written_to_the_byte", "golden-frames.json") else { return };
    let mut binary = 0;
    for recorded in frames.as_array().unwrap() {
        let bytes = hex(&recorded["hex"]);
        if recorded["type"].is_null() {
            if bytes.starts_with(b"{") && recorded["dir"] == "client->relay" {
                let text = std::str::from_utf8(&bytes).unwrap();
                assert_eq!(OpenDataChannel::parse(text).unwrap().to_text(), text);
            }
            continue;
        }
        binary += 1;
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!(frame.kind.name(), recorded["type"]);
        assert_eq!(frame.sequence, recorded["seq"].as_i64().unwrap());
        assert_eq!(frame.flags, recorded["flags"].as_u64().unwrap());
        assert_eq!(u64::from(frame.payload_type.number()), recorded["ptype"].as_u64().unwrap());
        assert_eq!(frame.payload.len() as u64, recorded["plen"].as_u64().unwrap());
        assert_eq!(frame.encode(), bytes, "{recorded}");
        // The bodies too.
        let payload = &frame.payload;
        let again = match (&frame.kind, frame.payload_type) {
            (MessageType::Acknowledge, _) => serde_json::to_vec(&Acknowledge::parse(payload).unwrap()).unwrap().into(),
            (_, PayloadType::Size) => Size::parse(payload).unwrap().to_payload(),
            (_, PayloadType::Flag) => Flag::parse(payload).unwrap().to_payload(),
            (_, PayloadType::ExitCode) => exit_code_payload(exit_code(payload).unwrap()),
            (_, PayloadType::HandshakeRequest) => HandshakeRequest::parse(payload).unwrap().to_payload(),
            (_, PayloadType::HandshakeResponse) => HandshakeResponse::parse(payload).unwrap().to_payload(),
            (_, PayloadType::HandshakeComplete) => HandshakeComplete::parse(payload).unwrap().to_payload(),
            (_, PayloadType::EncChallengeRequest | PayloadType::EncChallengeResponse) => {
                Challenge::parse(payload).unwrap().to_payload()
            }
            _ => payload.clone(),
        };
        assert_eq!(again, payload, "{recorded}");
        if frame.payload_type == PayloadType::HandshakeRequest {
            let asked = Asked::of(&HandshakeRequest::parse(payload).unwrap());
            assert_eq!(asked.port_mode(), Some(PortMode::Mux));
        }
    }
    assert_eq!(binary, 14);
}

#[test]
fn our_acknowledgement_is_the_recorded_one_but_for_time_and_id() {
    let name = "our_acknowledgement_is_the_recorded_one_but_for_time_and_id";
    let Some(frames) = golden(name, "golden-frames.json") else { return };
    let frames = frames.as_array().unwrap();
    let shell: Vec<_> = frames.iter().filter(|f| f["ws"] == 2).collect();
    let output = shell.iter().find(|f| f["type"] == "output_stream_data").unwrap();
    let recorded = shell.iter().find(|f| f["type"] == "acknowledge" && f["dir"] == "client->").unwrap();
    let recorded = Frame::decode(&hex(&recorded["hex"])).unwrap();
    let ours = Frame::acknowledgement(&Frame::decode(&hex(&output["hex"])).unwrap(), recorded.created);
    assert_eq!(ours.payload, recorded.payload);
    assert_eq!(Frame { id: recorded.id, ..ours }.encode(), recorded.encode());
}

#[test]
fn the_recorded_encrypted_exchange_opens() {
    let Some(kms) = golden("the_recorded_encrypted_exchange_opens", "golden-kms.json") else { return };
    let key = hex(&kms["key"]);
    let client = SessionKeys::new(&key, Side::Client).unwrap();
    let agent = SessionKeys::new(&key, Side::Agent).unwrap();
    let frames = kms["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 6);
    for recorded in frames {
        let frame = Frame::decode(&hex(&recorded["hex"])).unwrap();
        let keys = if frame.kind == MessageType::Output { &client } else { &agent };
        assert_eq!(keys.open(&frame.payload).unwrap(), hex(&recorded["plaintext"]));
    }
}

#[test]
fn the_recorded_signature_is_recomputed() {
    let Some(signed) = golden("the_recorded_signature_is_recomputed", "golden-sigv4.json") else { return };
    let text = |key: &str| signed[key].as_str().unwrap();
    let url = format!("ws://{}{}", text("host"), text("uri"));
    let url = StreamUrl::check(&url, &Endpoints::Also(text("host").into())).unwrap();
    let credentials = Credentials::new(text("akid"), text("secret"), None, None, "golden");
    assert_eq!(text("x-amz-date"), "20261121T210520Z");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_295_120);
    let request = url.request(Some(credentials), text("region"), at).unwrap();
    assert_eq!(request.headers()["x-amz-date"], text("x-amz-date"));
    assert_eq!(request.headers()["authorization"], text("authorization"));
    assert_eq!(request.headers()["host"], text("host"));
}
