// SPDX-License-Identifier: Apache-2.0
//! `<broker-plugins>`: Java classes, judged by name.

use crate::check::shown;
use crate::error::{ConfigError, Findings, Level};
use crate::xml::Element;

const PACKAGE: &str = "org.apache.activemq.artemis.core.server.plugin.impl.";

/// Shipped with the Java broker; they only tell.
const TELLING: [&str; 2] = [
    "LoggingActiveMQServerPlugin",
    "NotificationActiveMQServerPlugin",
];

/// Shipped with the Java broker; they enforce something.
const ENFORCING: [(&str, &str); 2] = [
    (
        "BrokerMessageAuthorizationPlugin",
        "consumers would see messages that it keeps from them",
    ),
    (
        "ConnectionPeriodicExpiryPlugin",
        "connections would outlive the authentication that it renews",
    ),
];

/// Notes the plugins that only tell, refuses those that enforce something or that nobody here knows.
pub(crate) fn check(core: &Element, findings: &mut Findings) {
    for plugin in core
        .all("broker-plugins")
        .flat_map(|all| all.all("broker-plugin"))
    {
        let Some(class) = plugin.attribute("class-name") else {
            continue;
        };
        let short = class.value.strip_prefix(PACKAGE).unwrap_or(&class.value);
        if TELLING.contains(&short) {
            let text = format!("the plugin {short} is not built yet and has no effect");
            findings.note(Level::Warn, &class.position, "broker-plugin", text);
            continue;
        }
        let enforced = ENFORCING.iter().find(|(name, _)| *name == short);
        let problem = match enforced {
            Some((name, loss)) => {
                format!("the plugin {name} is not built yet, and without it {loss}")
            }
            None => format!(
                "the plugin {} is a Java class, which Hind cannot load; what it enforces would be missing",
                shown(&class.value)
            ),
        };
        findings.error(ConfigError::new(&class.position, "class-name", problem));
    }
}
