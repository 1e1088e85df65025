// SPDX-License-Identifier: Apache-2.0
//! CONNECT: which version, who, and what about heart-beats [1.2 §Connecting].

use bytes::{BufMut, BytesMut};
use hind_engine::security::user::Credentials;
use hind_engine::time::Now;

use crate::codec::{FRAME_END, Frame, HeadWriter, ServerCommand, Version};
use crate::fault::Fault;
use crate::heart_beat::{HeartBeat, Wish};
use crate::options::Options;

/// What a client says before it is let in.
#[derive(Debug)]
pub(crate) struct Hello {
    /// The highest version both speak.
    pub version: Version,
    /// For the login modules.
    pub credentials: Credentials,
    /// For durable subscriptions and `no-local`.
    pub client_id: Option<String>,
    names_versions: bool,
    wish: Option<Wish>,
    request_id: Option<String>,
}

impl Hello {
    /// Reads a CONNECT or STOMP frame. The virtual host is ignored: there is only one.
    pub fn read(frame: &Frame<'_>) -> Result<Self, Fault> {
        let accepted = frame.header("accept-version");
        let version = match accepted {
            // Clients that do not say speak 1.0 [1.2 §Protocol Negotiation].
            None => Version::V1_0,
            Some(list) => negotiate(list)?,
        };
        // Clients of 1.0 pad values, as its examples do.
        let text = |name: &str| {
            frame.header(name).map(|value| match version {
                Version::V1_0 => value.trim_start_matches(' ').to_owned(),
                _ => value.to_owned(),
            })
        };
        Ok(Self {
            version,
            credentials: Credentials {
                user: text("login"),
                password: text("passcode"),
            },
            client_id: text("client-id"),
            names_versions: accepted.is_some(),
            wish: match frame.header("heart-beat") {
                Some(header) if version >= Version::V1_1 => Some(Wish::parse(header)?),
                _ => None,
            },
            request_id: text("request-id"),
        })
    }

    /// Writes CONNECTED and starts the heart-beats it promises.
    pub fn welcome(
        &self,
        options: &Options,
        session: &str,
        now: Now,
        out: &mut BytesMut,
    ) -> HeartBeat {
        let (heart_beat, announced) = HeartBeat::agree(options, self.version, self.wish, now);
        let mut head = HeadWriter::new(out, ServerCommand::Connected, self.version);
        if self.names_versions {
            head.text("version", self.version.name());
        }
        head.text("session", session);
        if self.version >= Version::V1_1 && !options.server_header_disabled {
            head.text("server", &options.server);
        }
        if let Some(request) = &self.request_id {
            head.text("response-id", request);
        }
        if let Some((sends, expects)) = announced {
            head.pair("heart-beat", sends, expects);
        }
        head.finish();
        out.put_slice(FRAME_END);
        heart_beat
    }
}

fn negotiate(accepted: &str) -> Result<Version, Fault> {
    accepted
        .split(',')
        .filter_map(|name| Version::named(name.trim()))
        .max()
        .ok_or_else(|| {
            let shown: String = accepted.chars().take(64).collect();
            Fault {
                versions: Some("1.0,1.1,1.2"),
                ..Fault::violation(
                    "STOMP 1.2 §Protocol Negotiation",
                    format!("AMQ339002: Stomp versions not supported: {shown}"),
                    "Supported protocol versions are v1.0 v1.1 v1.2",
                )
            }
        })
}
