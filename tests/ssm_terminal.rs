//! Real full-screen programs over a session on the loopback gateway, drawn by the pane's terminal. A program that this machine
//! does not have is skipped, by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod ssm_support;

use std::time::Duration;

use bartizan::ssm::frame::Size;
use bartizan::ssm::gateway::{Gateway, GatewayOptions};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::{Event, Session, SessionOptions};
use bartizan::terminal::{Allow, Terminal};
use bytes::Bytes;
use ssm_support::{open, options};

fn is_there(program: &str, test: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(program).exists());
    if !found {
        eprintln!("{test}: skipped, {program} is not on this machine");
    }
    found
}

struct Pane {
    session: Session,
    terminal: Terminal,
    _gateway: Gateway,
    _directory: tempfile::TempDir,
}

impl Pane {
    async fn open(command: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lines: String = (1..=500).map(|n| format!("line {n}\n")).collect();
        std::fs::write(directory.path().join("text"), lines).unwrap();
        let here = GatewayOptions { directory: Some(directory.path().to_owned()), ..GatewayOptions::default() };
        let gateway = Gateway::listen(here).await.unwrap();
        let options =
            SessionOptions { size: Some(Size { cols: 60, rows: 12 }), ..options(&gateway, SessionType::InteractiveCommand) };
        let session = open(&gateway, StartRequest::interactive_command("i-1", command), options).await;
        Self { session, terminal: Terminal::new(60, 12, Allow::default()), _gateway: gateway, _directory: directory }
    }

    async fn keys(&self, keys: &[u8]) {
        self.session.input.send(Bytes::copy_from_slice(keys)).await.unwrap();
    }

    fn text(&mut self) -> String {
        let (columns, rows) = self.terminal.size();
        let mut screen = vec![vec![' '; usize::from(columns)]; usize::from(rows)];
        self.terminal.draw(|row, column, glyph| {
            screen[usize::from(row)][usize::from(column)] = glyph.text.chars().next().unwrap();
        });
        screen.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
    }

    /// Reads until the screen shows what is wanted, answering the program's questions.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let read = async {
            loop {
                let text = self.text();
                if wanted(&text) {
                    return text;
                }
                match self.session.events.next().await.unwrap() {
                    Event::Output(data) => {
                        self.terminal.feed(&data);
                        let replies = self.terminal.take_replies();
                        if !replies.is_empty() {
                            self.session.input.send(replies.into()).await.unwrap();
                        }
                    }
                    Event::End(end) => panic!("{end:?}\n{text}"),
                    _ => {}
                }
            }
        };
        let text = tokio::time::timeout(Duration::from_secs(30), read).await;
        match text {
            Ok(text) => text,
            Err(_) => panic!("not seen on\n{}", self.text()),
        }
    }
}

#[tokio::test]
async fn vim_opens_edits_and_follows_a_new_size() {
    if !is_there("vim", "vim_opens_edits_and_follows_a_new_size") {
        return;
    }
    let mut pane = Pane::open("vim -u NONE -N text").await;
    pane.until(|text| text.starts_with("line 1\n") && text.contains("line 11\n")).await;
    assert!(pane.terminal.is_full_screen());
    pane.keys(b"Gohello \xe6\xbc\xa2\x1b").await;
    pane.until(|text| text.contains("\nhello 漢")).await;
    pane.terminal.resize(40, 6);
    pane.session.input.resize(Size { cols: 40, rows: 6 });
    pane.keys(b"gg").await;
    pane.until(|text| text.starts_with("line 1\nline 2\nline 3\nline 4\nline 5\n")).await;
    pane.keys(b":q!\r").await;
    let end = async {
        loop {
            match pane.session.events.next().await.unwrap() {
                Event::Output(data) => pane.terminal.feed(&data),
                Event::End(end) => return end,
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), end).await.unwrap();
    assert!(!pane.terminal.is_full_screen());
}

#[tokio::test]
async fn less_pages_and_searches() {
    if !is_there("less", "less_pages_and_searches") {
        return;
    }
    let mut pane = Pane::open("less text").await;
    // Drawn in the right size from the first byte: the first line and the prompt are both there.
    pane.until(|text| text.starts_with("line 1\n") && text.ends_with("line 11\ntext\n")).await;
    pane.keys(b"/line 321\r").await;
    pane.until(|text| text.starts_with("line 321\n")).await;
    pane.keys(b"G").await;
    pane.until(|text| text.contains("line 500\n")).await;
}

#[tokio::test]
async fn tmux_splits() {
    if !is_there("tmux", "tmux_splits") {
        return;
    }
    // Keys that come fast are no paste here.
    let command = "tmux -L bartizan-$$ -f /dev/null new 'echo left; tail -f /dev/null' \\; set -g assume-paste-time 0 \\; \
                   split -h 'echo right; cat'";
    let mut pane = Pane::open(command).await;
    pane.until(|text| text.contains("left") && text.contains("right") && text.contains('│')).await;
    pane.keys(b"typed").await;
    pane.until(|text| text.contains("typed")).await;
    pane.keys(b"\x02:").await;
    pane.until(|text| text.ends_with(":\n")).await;
    pane.keys(b"kill-server\r").await;
    let over = async { while !matches!(pane.session.events.next().await, Some(Event::End(_)) | None) {} };
    tokio::time::timeout(Duration::from_secs(30), over).await.unwrap();
}
