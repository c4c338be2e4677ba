//! A node that floods: one file, so that the process's memory is this test's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod ssm_support;

use std::time::Duration;

use bartizan::ssm::gateway::{Gateway, GatewayOptions};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::{End, Event};
use ssm_support::{open, options};

/// Resident memory, in bytes; `None` where the system does not tell it so.
fn resident() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_floods_a_hundred_megabytes_is_held_back_and_loses_nothing() {
    let Some(before) = resident() else {
        eprintln!("a_node_that_floods_a_hundred_megabytes_is_held_back_and_loses_nothing: skipped, no /proc/self/statm");
        return;
    };
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let request = StartRequest::interactive_command("i-1", "head -c 100000000 /dev/zero | tr '\\0' x");
    let mut session = open(&gateway, request, options(&gateway, SessionType::InteractiveCommand)).await;
    // Nobody reads for a while.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut most = resident().unwrap();
    let (mut count, mut reads) = (0, 0);
    loop {
        match tokio::time::timeout(Duration::from_secs(60), session.events.next()).await.unwrap().unwrap() {
            Event::Output(data) => {
                assert!(data.iter().all(|byte| *byte == b'x'));
                count += data.len();
                reads += 1;
                if reads % 64 == 0 {
                    most = most.max(resident().unwrap());
                }
            }
            Event::End(end) => {
                assert_eq!(end, End::Closed(String::new()));
                break;
            }
            _ => {}
        }
    }
    assert_eq!(count, 100_000_000);
    // Gateway, agent and client together.
    assert!(most - before < 64 << 20, "grew by {} MiB", (most - before) >> 20);
}
