// SPDX-License-Identifier: Apache-2.0
//! `password-codec` and `mask-password`: how `ENC(…)` in this configuration is read.

use crate::check::shown;
use crate::error::{ConfigError, Findings, Position};
use crate::masked::{self, DEFAULT_KEY};
use crate::value;
use crate::xml::Element;

/// The one codec that exists without Java classes.
const CODECS: [&str; 2] = [
    "org.apache.activemq.artemis.utils.DefaultSensitiveStringCodec",
    "DefaultSensitiveStringCodec",
];

/// Where the key may come from when the configuration names none: property, then environment.
const KEY_VARIABLES: [&str; 2] = [
    "org.apache.activemq.artemis.utils.DefaultSensitiveStringCodec.key",
    "ARTEMIS_DEFAULT_SENSITIVE_STRING_CODEC_KEY",
];

/// How masked passwords are read.
#[derive(Debug)]
pub(crate) struct Codec {
    key: String,
    /// `mask-password`: also what does not stand in `ENC(…)` is masked.
    all_masked: bool,
}

impl Codec {
    /// Reads the two elements; a codec class of somebody's own is an error.
    pub fn read(
        core: &Element,
        variables: &dyn Fn(&str) -> Option<String>,
        findings: &mut Findings,
    ) -> Self {
        let mut key = KEY_VARIABLES.iter().find_map(|name| variables(name));
        if let Some(codec) = core.child("password-codec") {
            let mut parts = codec.text.split(';');
            let class = parts.next().unwrap_or_default().trim();
            if !class.is_empty() && !CODECS.contains(&class) {
                let problem = format!(
                    "the codec {} is a Java class of your own, which Hind cannot load",
                    shown(class)
                );
                let error = ConfigError::new(&codec.text_position, "password-codec", problem);
                findings.error(error.expected(CODECS[0]));
            }
            let written = parts
                .filter_map(|part| part.split_once('='))
                .find(|(name, _)| name.trim() == "key");
            key = written.map(|(_, key)| key.trim().to_owned()).or(key);
        }
        let all_masked = core
            .child("mask-password")
            .and_then(|mask| value::boolean(&mask.text, false))
            == Some(true);
        let codec = Self {
            key: key.unwrap_or_else(|| DEFAULT_KEY.to_owned()),
            all_masked,
        };
        if let Some(password) = core.child("cluster-password") {
            codec.check(
                &password.text,
                &password.text_position,
                "cluster-password",
                findings,
            );
        }
        codec
    }

    /// Reports a masked password that cannot be read.
    pub fn check(&self, text: &str, position: &Position, name: &str, findings: &mut Findings) {
        if masked::enclosed(text).is_none() && !self.all_masked {
            return;
        }
        if let Err(reason) = masked::unmask(text, &self.key) {
            findings.error(ConfigError::new(
                position,
                name,
                format!("the value of {name} cannot be unmasked: {reason}"),
            ));
        }
    }
}
