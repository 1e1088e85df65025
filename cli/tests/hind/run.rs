// SPDX-License-Identifier: Apache-2.0
//! `run`, and the commands that speak to a running broker.

use crate::program::Place;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

/// A running broker; ended with the value.
pub struct Running {
    process: Child,
    lines: BufReader<ChildStdout>,
    seen: Vec<String>,
    pub port: u16,
}

/// An instance with one acceptor, on a port that the system chooses.
pub fn place(flags: &[&str]) -> Place {
    let only = [
        "--no-amqp-acceptor",
        "--no-hornetq-acceptor",
        "--no-mqtt-acceptor",
        "--no-stomp-acceptor",
        "--no-web",
    ];
    let local = [
        "--host",
        "127.0.0.1",
        "--user",
        "admin",
        "--password",
        "secret",
    ];
    let place = Place::with_instance(&[only.as_slice(), &local, flags].concat());
    let broker = place
        .read("i/etc/broker.xml")
        .replace("127.0.0.1:61616", "127.0.0.1:0");
    place.write("i/etc/broker.xml", &broker);
    place
}

impl Running {
    /// Starts the broker and waits until it serves.
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        let mut command = place.command(&place.path("i/bin/artemis"), &[&["run"], flags].concat());
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker starts");
        let lines = BufReader::new(process.stdout.take().expect("piped"));
        let mut running = Self {
            process,
            lines,
            seen: Vec::new(),
            port: 0,
        };
        let door = running.wait_for("AMQ221020: Started");
        let (_, port) = door.split_once("127.0.0.1:").expect("an address");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        running.port = port.parse().expect("a port");
        running.wait_for("AMQ221007: Server is now active");
        running
    }

    /// Ends it without a word: SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("ended");
    }

    /// The most it has had resident, in KiB.
    pub fn resident_peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().strip_suffix(" kB"));
        peak.expect("a line about it")
            .trim()
            .parse()
            .expect("a number")
    }

    /// The first line with this text that has not been looked at.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("a line");
            assert!(
                read > 0,
                "the broker ended without {text:?}: {:#?}",
                self.seen
            );
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The first word of the answer to a STOMP login.
    fn login(&self, user: &str, password: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the door is open");
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time-out");
        let frame =
            format!("CONNECT\naccept-version:1.2\nhost:x\nlogin:{user}\npasscode:{password}\n\n\0");
        socket.write_all(frame.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while answer.last() != Some(&b'\n') {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        String::from_utf8_lossy(&answer).trim().to_owned()
    }

    /// The exit status, after everything that was printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("the rest");
        (self.process.wait().expect("ended").code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, as it should.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_broker_starts_checks_logins_and_stops_when_asked() {
    let place = place(&["--require-login"]);
    let mut broker = Running::start(&place, &[]);
    assert_eq!(broker.login("admin", "secret"), "CONNECTED");
    assert_eq!(broker.login("admin", "wrong"), "ERROR");
    assert_eq!(place.artemis(&["stop"]).status, 0);
    broker.wait_for("AMQ221002: ");
    let (status, rest) = broker.end();
    assert_eq!((status, rest.as_str()), (Some(0), "Server stopped!\n"));
    assert!(!place.path("i/etc/STOP_ME").exists());
    let log = place.read("i/log/artemis.log");
    assert!(log.contains("AMQ221007"));
    // How much memory messages may take, and who says so.
    let size = log
        .lines()
        .find_map(|line| line.split_once("AMQ221057: Global Max Size is being defined as "));
    let (_, size) = size.expect("said at start");
    assert!(size.contains(" bytes (50% of "), "{size}");
}

#[test]
fn users_changed_while_the_broker_runs_count_at_the_next_login() {
    let place = place(&["--require-login"]);
    let broker = Running::start(&place, &[]);
    assert_eq!(broker.login("bob", "b"), "ERROR");
    let add = [
        "user",
        "add",
        "--user-command-user",
        "bob",
        "--user-command-password",
        "b",
        "--role",
        "amq",
    ];
    assert_eq!(place.artemis(&add).status, 0);
    assert_eq!(broker.login("bob", "b"), "CONNECTED");
    let reset = [
        "user",
        "reset",
        "--user-command-user",
        "bob",
        "--user-command-password",
        "c",
    ];
    assert_eq!(place.artemis(&reset).status, 0);
    assert_eq!(
        (broker.login("bob", "b"), broker.login("bob", "c")),
        ("ERROR".into(), "CONNECTED".into())
    );
    assert_eq!(
        place
            .artemis(&["user", "rm", "--user-command-user", "bob"])
            .status,
        0
    );
    assert_eq!(broker.login("bob", "c"), "ERROR");
}

#[test]
fn a_second_broker_on_the_same_data_does_not_start() {
    let place = place(&[]);
    let _broker = Running::start(&place, &[]);
    let done = place.artemis(&["run"]);
    assert_eq!(done.status, 1);
    assert!(done.err.contains("lock"), "{}", done.err);
}

#[test]
fn kill_ends_a_broker_that_allows_it() {
    let place = place(&[]);
    let broker = Running::start(&place, &["--allow-kill"]);
    assert_eq!(place.artemis(&["kill"]).status, 0);
    let (status, _) = broker.end();
    assert_ne!(status, Some(0));
}

#[test]
fn the_log_speaks_json_when_asked() {
    let place = place(&[]);
    let broker = Running::start(&place, &["--log-format", "json"]);
    for line in &broker.seen {
        assert!(line.starts_with('{') && line.ends_with("}\n"), "{line}");
    }
}

#[test]
fn a_broken_configuration_does_not_start_and_names_its_lines() {
    let place = place(&["--ping", "10.0.0.1"]);
    let text = place.read("i/etc/broker.xml");
    let line = text
        .lines()
        .position(|line| line.contains("<network-check-list>"))
        .expect("a line")
        + 1;
    let done = place.artemis(&["run"]);
    assert_eq!((done.status, done.out.as_str()), (1, ""));
    assert!(
        done.err.contains(&format!("broker.xml:{line}:")) && !done.err.contains("panicked"),
        "{}",
        done.err
    );
}

#[test]
fn run_check_and_what_is_not_built_do_not_run() {
    let place = place(&[]);
    let done = place.artemis(&["run", "--check"]);
    assert!(
        done.status == 0 && done.out.ends_with("broker.xml: valid\n"),
        "{done:?}"
    );
    let done = place.artemis(&["run", "--properties", "x.properties"]);
    assert!(
        done.status == 1 && done.err.contains("broker properties are not built yet"),
        "{done:?}"
    );
}

#[test]
fn folders_of_the_command_line_win() {
    let place = place(&[]);
    let elsewhere = place.path("elsewhere");
    let broker = Running::start(&place, &["--journal", &elsewhere.to_string_lossy()]);
    assert!(elsewhere.join("node.state").exists());
    assert!(!place.path("i/data/journal").exists());
    drop(broker);
}

#[test]
fn the_service_script_starts_and_stops_in_the_background() {
    let place = place(&[]);
    let service =
        |word| crate::program::run(place.command(&place.path("i/bin/artemis-service"), &[word]));
    let done = service("start");
    assert_eq!(done.status, 0, "{done:?}");
    assert!(
        done.out
            .starts_with("Starting artemis-service\nartemis-service is now running ("),
        "{done:?}"
    );
    let pid = place.read("i/data/artemis.pid");
    assert_eq!(
        service("status").out,
        format!("artemis-service is running ({})\n", pid.trim())
    );
    assert_eq!(
        service("start").out,
        "Starting artemis-service\nAlready running.\n"
    );
    let done = service("stop");
    assert_eq!(
        (done.status, done.out.as_str()),
        (0, "Gracefully Stopping artemis-service\n"),
        "{done:?}"
    );
    assert_eq!(service("status").status, 3);
    assert!(
        place.read("i/log/artemis.log").contains("AMQ221002"),
        "it stopped in order"
    );
}
