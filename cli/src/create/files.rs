// SPDX-License-Identifier: Apache-2.0
//! The texts of a new instance's files.

use super::arguments::LoginCheck;
use super::broker_xml::broker_xml;
use super::plan::Plan;
use crate::failure::Failure;
use crate::mask;
use crate::template::{fill, quoted, shell, xml};
use crate::variables;
use hind_config::users::UserFiles;
use std::path::PathBuf;

/// A file to be written.
#[derive(Debug)]
pub struct NewFile {
    pub path: PathBuf,
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Holds passwords: readable by its owner alone.
    Secret,
    Script,
}

/// All files, the one first that tells an operator that here is an instance already.
pub fn files(plan: &Plan<'_>) -> Result<Vec<NewFile>, Failure> {
    let etc = |name: &str, text: String, kind| NewFile {
        path: plan.etc.join(name),
        text,
        kind,
    };
    let bin = |name: &str, text: String| NewFile {
        path: plan.directory.join("bin").join(name),
        text,
        kind: Kind::Script,
    };
    let (users, roles) = user_files(plan)?;
    Ok(vec![
        etc("login.config", login_config(plan), Kind::Text),
        bin("artemis", launcher(plan)?),
        bin(
            "artemis-service",
            include_str!("../templates/artemis-service.sh").to_owned(),
        ),
        etc(
            "broker.xml",
            broker_xml(plan),
            if plan.cluster.is_some() {
                Kind::Secret
            } else {
                Kind::Text
            },
        ),
        etc("bootstrap.xml", bootstrap(plan)?, bootstrap_kind(plan)),
        etc("artemis-users.properties", users, Kind::Secret),
        etc("artemis-roles.properties", roles, Kind::Text),
        etc("artemis.profile", profile(plan), Kind::Text),
        etc("artemis-utility.profile", utility_profile(plan), Kind::Text),
        etc(
            "log4j2.properties",
            include_str!("../templates/log4j2.properties").to_owned(),
            Kind::Text,
        ),
        etc(
            "log4j2-utility.properties",
            include_str!("../templates/log4j2-utility.properties").to_owned(),
            Kind::Text,
        ),
        etc("management.xml", management(plan), Kind::Text),
        etc("jolokia-access.xml", jolokia_access(plan), Kind::Text),
    ])
}

fn user_files(plan: &Plan<'_>) -> Result<(String, String), Failure> {
    let users = include_str!("../templates/artemis-users.properties");
    let roles = include_str!("../templates/artemis-roles.properties");
    let mut files = UserFiles::parse(users, roles).expect("the templates are readable");
    let names: Vec<String> = plan.roles().map(str::to_owned).collect();
    let stored = mask::stored_hash(&plan.password)?;
    files
        .add(&plan.user, &stored, &names)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok((files.users.to_string(), files.roles.to_string()))
}

fn login_config(plan: &Plan<'_>) -> String {
    let role = quoted(&plan.arguments.login.role);
    let guest = if plan.allow_anonymous {
        let guest = include_str!("../templates/login_guest.config");
        fill(guest, &[("user", &quoted(&plan.user)), ("role", &role)])
    } else {
        String::new()
    };
    let flag = if plan.allow_anonymous {
        "sufficient"
    } else {
        "required"
    };
    let guest = guest.trim_end_matches('\n');
    fill(
        include_str!("../templates/login.config"),
        &[("flag", flag), ("guest", guest)],
    )
}

fn launcher(plan: &Plan<'_>) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program's own path: {error}")))?;
    let written = &plan.arguments.place.etc;
    let etc = if written.starts_with('/') {
        shell(written)
    } else {
        format!("\"$ARTEMIS_INSTANCE\"/{}", shell(written))
    };
    let values = [
        ("etc", etc.as_str()),
        ("program", &shell(&program.to_string_lossy())),
    ];
    Ok(fill(include_str!("../templates/artemis.sh"), &values))
}

fn bootstrap(plan: &Plan<'_>) -> Result<String, Failure> {
    let configuration = format!("{}/broker.xml", variables::uri(&plan.etc));
    let security = match plan.arguments.login.security_manager {
        LoginCheck::Jaas => "   <jaas-security domain=\"activemq\"/>".to_owned(),
        LoginCheck::Basic => {
            let password = mask::stored_hash(&plan.password)?;
            let role = xml(&plan.arguments.login.role);
            let values = [
                ("user", xml(&plan.user)),
                ("password", password),
                ("role", role),
            ];
            let basic = include_str!("../templates/bootstrap_basic.xml");
            fill(
                basic,
                &values
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .trim_end_matches('\n')
            .to_owned()
        }
    };
    let values = [
        ("security", security.as_str()),
        ("configuration", &xml(&configuration)),
        ("web", &web(plan)),
    ];
    Ok(fill(include_str!("../templates/bootstrap.xml"), &values))
}

fn bootstrap_kind(plan: &Plan<'_>) -> Kind {
    let basic = plan.arguments.login.security_manager == LoginCheck::Basic;
    if basic || plan.key_password.is_some() {
        Kind::Secret
    } else {
        Kind::Text
    }
}

fn web(plan: &Plan<'_>) -> String {
    let Some(port) = plan.ports.http else {
        return String::new();
    };
    let web = &plan.arguments.web;
    let scheme = if web.ssl_key.is_some() {
        "https"
    } else {
        "http"
    };
    let uri = xml(&format!("{scheme}://{}:{port}", web.http_host));
    let mut ssl = String::new();
    let mut attribute = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            ssl.push_str(&format!(" {name}=\"{}\"", xml(value)));
        }
    };
    attribute("keyStorePath", web.ssl_key.as_ref());
    attribute("keyStorePassword", plan.key_password.as_ref());
    if web.ssl_key.is_some() && web.use_client_auth {
        attribute("clientAuth", Some(&"true".to_owned()));
        attribute("trustStorePath", web.ssl_trust.as_ref());
        attribute("trustStorePassword", plan.trust_password.as_ref());
    }
    let filled = fill(
        include_str!("../templates/bootstrap_web.xml"),
        &[("uri", &uri), ("ssl", &ssl)],
    );
    filled.strip_suffix('\n').unwrap_or(&filled).to_owned()
}

fn profile(plan: &Plan<'_>) -> String {
    let java = &plan.arguments.java;
    let words = format!(
        "-Xms512M -Xmx{} {}",
        java.java_memory,
        java.java_options.join(" ")
    );
    let values = [
        ("home", shell(&plan.home.to_string_lossy())),
        ("instance", shell(&plan.directory.to_string_lossy())),
        ("data", shell(&plan.data.to_string_lossy())),
        ("role", shell(&plan.arguments.login.role)),
        ("java", shell(words.trim())),
    ];
    fill(
        include_str!("../templates/artemis.profile"),
        &values
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    )
}

fn utility_profile(plan: &Plan<'_>) -> String {
    let values = [
        ("home", shell(&plan.home.to_string_lossy())),
        ("instance", shell(&plan.directory.to_string_lossy())),
        ("data", shell(&plan.data.to_string_lossy())),
        (
            "java",
            shell(&plan.arguments.java.java_utility_options.join(" ")),
        ),
    ];
    let template = include_str!("../templates/artemis-utility.profile");
    fill(
        template,
        &values
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    )
}

fn management(plan: &Plan<'_>) -> String {
    fill(
        include_str!("../templates/management.xml"),
        &[("role", &xml(&plan.arguments.login.role))],
    )
}

fn jolokia_access(plan: &Plan<'_>) -> String {
    let web = &plan.arguments.web;
    let strict = if web.relax_jolokia {
        ""
    } else {
        "        <!-- The origin of a request is checked here too, not only by the browser. -->\n        <strict-checking/>"
    };
    let values = [("host", xml(&web.http_host)), ("strict", strict.to_owned())];
    fill(
        include_str!("../templates/jolokia-access.xml"),
        &values
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::tests::arguments;
    use hind_config::bootstrap::Bootstrap;
    use hind_config::log4j2::LogSettings;
    use hind_config::login_config::{ControlFlag, LoginConfig};
    use hind_config::users::{UserTable, Verdict};

    fn written(flags: &str, name: &str) -> String {
        let arguments = arguments(flags);
        let plan = Plan::new(&arguments, "/i j".into()).expect("valid");
        let files = files(&plan).expect("files");
        files
            .into_iter()
            .find(|file| file.path.ends_with(name))
            .expect(name)
            .text
    }

    #[test]
    fn what_is_written_is_understood_when_read() {
        let bootstrap = Bootstrap::parse(&written("", "bootstrap.xml"), &|_| None).expect("valid");
        assert_eq!(bootstrap.configuration, "/i j/etc/broker.xml");
        let instance = |name: &str| (name == "sys:artemis.instance").then(|| "/i".to_owned());
        for name in ["log4j2.properties", "log4j2-utility.properties"] {
            assert_eq!(
                LogSettings::parse(&written("", name), &instance)
                    .expect(name)
                    .notes,
                [],
                "{name}"
            );
        }
        for name in ["management.xml", "jolokia-access.xml", "broker.xml"] {
            roxmltree::Document::parse(&written("--role a&b", name)).expect(name);
        }
    }

    #[test]
    fn logins_are_required_or_not() {
        let realm = |flags| {
            let config =
                LoginConfig::parse(&written(flags, "login.config"), &|_| None).expect("valid");
            config.realm("activemq").expect("activemq")
        };
        assert!(realm("--allow-anonymous").admits_guests());
        let required = realm("--require-login");
        assert!(!required.admits_guests());
        assert_eq!(required.entries[0].flag, ControlFlag::Required);
        assert!(realm("--user a\"b\\").admits_guests());
    }

    #[test]
    fn the_user_can_log_in_with_every_role() {
        let arguments = arguments("--user ann --password secret --role r1,r2");
        let plan = Plan::new(&arguments, "/i".into()).expect("valid");
        let (users, roles) = user_files(&plan).expect("files");
        let table = UserTable::new(&UserFiles::parse(&users, &roles).expect("readable"));
        let expected = ["r1".to_owned(), "r2".to_owned()];
        assert_eq!(
            table.verify("ann", "secret"),
            Verdict::Right { roles: &expected }
        );
        assert!(!users.contains("secret") && users.contains("ann = ENC(1024:"));
    }

    #[test]
    fn web_flags_shape_the_binding() {
        let plain = written("--http-host 0.0.0.0 --http-port 80", "bootstrap.xml");
        assert!(
            plain.contains("<binding name=\"artemis\" uri=\"http://0.0.0.0:80\">"),
            "{plain}"
        );
        assert!(!written("--no-web", "bootstrap.xml").contains("<web"));
        let ssl = "--ssl-key /k --ssl-key-password kp --ssl-trust /t --ssl-trust-password tp --use-client-auth";
        assert!(written(ssl, "bootstrap.xml").contains(
            "uri=\"https://localhost:8161\" keyStorePath=\"/k\" keyStorePassword=\"kp\" clientAuth=\"true\" trustStorePath=\"/t\" trustStorePassword=\"tp\">"
        ));
        assert!(
            written("--security-manager basic", "bootstrap.xml")
                .contains("ActiveMQBasicSecurityManager")
        );
        assert!(written("", "jolokia-access.xml").contains("<strict-checking/>"));
        assert!(!written("--relax-jolokia", "jolokia-access.xml").contains("<strict-checking/>"));
    }

    #[test]
    fn the_profile_keeps_java_words_as_one_shell_word() {
        let profile = written("--java-memory 4G --java-options -Dx='y", "artemis.profile");
        assert!(
            profile.contains("JAVA_ARGS='-Xms512M -Xmx4G -Dx='\\''y'"),
            "{profile}"
        );
        assert!(profile.contains("ARTEMIS_INSTANCE='/i j'"));
        assert!(written("--etc /e", "artemis").contains("ARTEMIS_INSTANCE_ETC='/e'"));
        assert!(
            written("", "artemis").contains("ARTEMIS_INSTANCE_ETC=\"$ARTEMIS_INSTANCE\"/'etc'")
        );
    }
}
