// SPDX-License-Identifier: Apache-2.0
//! The ports of a new instance.

use super::arguments::Arguments;
use crate::failure::{Failure, Outcome};

/// Every port shifted by `--port-offset`; `None` where the acceptor is not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    pub artemis: u16,
    pub amqp: Option<u16>,
    pub stomp: Option<u16>,
    pub hornetq: Option<u16>,
    pub mqtt: Option<u16>,
    /// The web server's.
    pub http: Option<u16>,
}

impl Ports {
    /// # Errors
    /// A port outside 1 to 65535, all of them named, or one port for two acceptors.
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let chosen = &arguments.acceptors;
        let mut faults = Vec::new();
        let mut shift = |name: &str, port: i32, wanted: bool| {
            let shifted = i64::from(port) + i64::from(chosen.port_offset);
            match u16::try_from(shifted) {
                _ if !wanted => None,
                Ok(port) if port > 0 => Some(port),
                _ => {
                    faults.push(format!(
                        "--port-offset {}: the port of {name} would be {shifted}; ports reach from 1 to 65535",
                        chosen.port_offset
                    ));
                    None
                }
            }
        };
        let artemis = shift("acceptor artemis", chosen.default_port, true);
        let ports = Self {
            artemis: artemis.unwrap_or_default(),
            amqp: shift("acceptor amqp", 5672, !chosen.no_amqp_acceptor),
            stomp: shift("acceptor stomp", 61613, !chosen.no_stomp_acceptor),
            hornetq: shift("acceptor hornetq", 5445, !chosen.no_hornetq_acceptor),
            mqtt: shift("acceptor mqtt", 1883, !chosen.no_mqtt_acceptor),
            http: shift(
                "the web server",
                arguments.web.http_port,
                !arguments.web.no_web,
            ),
        };
        if !faults.is_empty() {
            return Err(Failure::new(faults.join("\n")));
        }
        ports.refuse_shared()?;
        Ok(ports)
    }

    fn refuse_shared(&self) -> Outcome {
        let named = [
            ("acceptor artemis", Some(self.artemis)),
            ("acceptor amqp", self.amqp),
            ("acceptor stomp", self.stomp),
            ("acceptor hornetq", self.hornetq),
            ("acceptor mqtt", self.mqtt),
            ("the web server", self.http),
        ];
        for (index, (name, port)) in named.iter().enumerate() {
            let same = named[index + 1..]
                .iter()
                .find(|(_, other)| port.is_some() && other == port);
            if let (Some((other, _)), Some(port)) = (same, port) {
                return Err(Failure::new(format!(
                    "{name} and {other} would both listen on port {port}"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::tests::arguments;

    fn refused(flags: &str) -> String {
        Ports::new(&arguments(flags)).expect_err(flags).to_string()
    }

    #[test]
    fn every_port_is_shifted() {
        let ports = Ports::new(&arguments("--port-offset 10")).expect("valid");
        let all = [
            Some(ports.artemis),
            ports.amqp,
            ports.stomp,
            ports.hornetq,
            ports.mqtt,
            ports.http,
        ];
        assert_eq!(all, [61626, 5682, 61623, 5455, 1893, 8171].map(Some));
    }

    #[test]
    fn ports_out_of_range_are_all_named() {
        let text = refused("--port-offset 5000");
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.contains("acceptor artemis would be 66616")
                && text.contains("acceptor stomp would be 66613"),
            "{text}"
        );
        assert!(refused("--port-offset -1883").contains("acceptor mqtt would be 0"));
        assert!(
            Ports::new(&arguments(
                "--port-offset 5000 --no-stomp-acceptor --default-port 50000"
            ))
            .is_ok()
        );
    }

    #[test]
    fn two_acceptors_do_not_share_a_port() {
        assert_eq!(
            refused("--default-port 1883"),
            "acceptor artemis and acceptor mqtt would both listen on port 1883"
        );
    }
}
