// SPDX-License-Identifier: Apache-2.0
//! The flags of `create`, named as the `artemis` command names them.

use crate::arguments::{int, long};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The instance directory to hold the broker's configuration and data. Path must be writable.
    #[arg(value_name = "directory")]
    pub directory: PathBuf,

    /// A comma separated list of addresses with the option to specify a routing type, e.g. --addresses
    /// myAddress1,myAddress2:anycast. Routing-type default: multicast.
    #[arg(long)]
    pub addresses: Option<String>,
    /// A comma separated list of queues with the option to specify a routing type, e.g. --queues
    /// myQueue1,myQueue2:multicast. Routing-type default: anycast.
    #[arg(long)]
    pub queues: Option<String>,

    #[command(flatten)]
    pub login: LoginArguments,
    #[command(flatten)]
    pub place: PlaceArguments,
    #[command(flatten)]
    pub acceptors: AcceptorArguments,
    #[command(flatten)]
    pub journal: JournalArguments,
    #[command(flatten)]
    pub limits: LimitArguments,
    #[command(flatten)]
    pub cluster: ClusterArguments,
    #[command(flatten)]
    pub web: WebArguments,
    #[command(flatten)]
    pub java: JavaArguments,
    #[command(flatten)]
    pub jdbc: JdbcArguments,

    /// A comma separated string to be passed on to the broker config as network-check-list. The broker will shutdown
    /// when all these addresses are unreachable.
    #[arg(long)]
    pub ping: Option<String>,
    /// Overwrite configuration at destination directory.
    #[arg(long)]
    pub force: bool,
    /// Disable all the inputs, and make a best guess for any required input.
    #[arg(long)]
    pub silent: bool,
    /// Print additional information.
    #[arg(long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct LoginArguments {
    /// The username. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    pub user: Option<String>,
    /// The user's password. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    pub password: Option<String>,
    /// The name for the role created.
    #[arg(long, default_value = "amq")]
    pub role: String,
    /// Allow connections from users with no security credentials. Opposite of --require-login. Default: input.
    #[arg(long)]
    pub allow_anonymous: bool,
    /// Require security credentials from users for connection. Opposite of --allow-anonymous.
    #[arg(long)]
    pub require_login: bool,
    /// Which security manager to use - jaas or basic.
    #[arg(long, default_value = "jaas")]
    pub security_manager: LoginCheck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LoginCheck {
    Jaas,
    Basic,
}

#[derive(Debug, Args)]
pub struct PlaceArguments {
    /// The name of the broker. Default: same as host name.
    #[arg(long)]
    pub name: Option<String>,
    /// Broker's host name. Default: 0.0.0.0 or input if clustered.
    #[arg(long)]
    pub host: Option<String>,
    /// Directory where broker data are stored. Paths can be absolute or relative to the instance directory.
    #[arg(long, default_value = "data")]
    pub data: String,
    /// Directory where configuration is located. Paths can be absolute or relative to the instance directory.
    #[arg(long, default_value = "etc")]
    pub etc: String,
    /// Directory where the broker's program is installed.
    #[arg(long)]
    pub home: Option<PathBuf>,
    /// The encoding that text files should use. Only UTF-8 is written.
    #[arg(long, default_value = "UTF-8")]
    pub encoding: String,
    /// Force Linux or Cygwin script creation. Default: based on your actual system.
    #[arg(long, alias = "cygwin")]
    pub linux: bool,
    /// Force Windows script creation. Not built yet.
    #[arg(long)]
    pub windows: bool,
}

#[derive(Debug, Args)]
pub struct AcceptorArguments {
    /// The port number to use for the main 'artemis' acceptor.
    #[arg(long, default_value = "61616", value_parser = int, allow_hyphen_values = true)]
    pub default_port: i32,
    /// How much to off-set the ports of every acceptor.
    #[arg(long, default_value = "0", value_parser = int, allow_hyphen_values = true)]
    pub port_offset: i32,
    /// Disable the AMQP specific acceptor.
    #[arg(long)]
    pub no_amqp_acceptor: bool,
    /// Disable the HornetQ specific acceptor.
    #[arg(long)]
    pub no_hornetq_acceptor: bool,
    /// Disable the MQTT specific acceptor.
    #[arg(long)]
    pub no_mqtt_acceptor: bool,
    /// Disable the STOMP specific acceptor.
    #[arg(long)]
    pub no_stomp_acceptor: bool,
    /// Support advisory messages for the OpenWire protocol.
    #[arg(long)]
    pub support_advisory: bool,
    /// Do not register advisory addresses/queues with the management service.
    #[arg(long)]
    pub suppress_internal_management_objects: bool,
}

#[derive(Debug, Args)]
pub struct JournalArguments {
    /// Set the journal as asyncio.
    #[arg(long)]
    pub aio: bool,
    /// Set the journal as mapped.
    #[arg(long)]
    pub mapped: bool,
    /// Set the journal as nio.
    #[arg(long)]
    pub nio: bool,
    /// Disable message persistence to the journal.
    #[arg(long)]
    pub disable_persistence: bool,
    /// Disable auto tuning of the journal-buffer-timeout in broker.xml.
    #[arg(long)]
    pub no_autotune: bool,
    /// Disable usage of fdatasync on the journal.
    #[arg(long)]
    pub no_fsync: bool,
    /// The block size of the journal's storage device.
    #[arg(long, default_value = "4096", value_parser = int)]
    pub journal_device_block_size: i32,
    /// The journal-max-io value to use when also using the ASYNCIO journal-type. When using NIO or MAPPED this value is
    /// always '1'.
    #[arg(long, default_value = "4096", value_parser = int)]
    pub journal_max_io: i32,
    /// Configure journal retention in days. If > 0 then enable journal-retention-directory from broker.xml allowing
    /// replay options.
    #[arg(long, value_parser = int)]
    pub journal_retention: Option<i32>,
    /// Maximum number of bytes to keep in the retention directory.
    #[arg(long)]
    pub journal_retention_max_bytes: Option<String>,
}

#[derive(Debug, Args)]
pub struct LimitArguments {
    /// Allow automatic creation of addresses & queues. Default: true.
    #[arg(long)]
    pub autocreate: bool,
    /// Disable auto creation for addresses & queues.
    #[arg(long)]
    pub no_autocreate: bool,
    /// Allow automatic deletion of addresses & queues.
    #[arg(long)]
    pub autodelete: bool,
    /// Block producers when address becomes full. Opposite of --paging.
    #[arg(long)]
    pub blocking: bool,
    /// Page messages to disk when address becomes full. Opposite of --blocking. Default: true.
    #[arg(long)]
    pub paging: bool,
    /// Paged folders should be removed upon leaving page state.
    #[arg(long)]
    pub purge_page_folders: bool,
    /// Maximum amount of memory which message data may consume. Default: half of the memory the system grants.
    #[arg(long)]
    pub global_max_size: Option<String>,
    /// Maximum number of messages that will be accepted in memory before using address full policy mode. Default:
    /// undefined.
    #[arg(long, value_parser = long, allow_hyphen_values = true)]
    pub global_max_messages: Option<i64>,
}

#[derive(Debug, Args)]
pub struct ClusterArguments {
    /// Enable clustering.
    #[arg(long)]
    pub clustered: bool,
    /// Enable broker replication.
    #[arg(long)]
    pub replicated: bool,
    /// Enable broker shared store.
    #[arg(long)]
    pub shared_store: bool,
    /// Be a backup broker. Valid for shared store or replication.
    #[arg(long)]
    pub backup: bool,
    /// The older word for --backup.
    #[arg(long, hide = true)]
    pub slave: bool,
    /// Whether broker shutdown will trigger failover for clients using the core protocol. Valid only for shared store.
    #[arg(long)]
    pub failover_on_shutdown: bool,
    /// The user to use for clustering. Default: input.
    #[arg(long)]
    pub cluster_user: Option<String>,
    /// The password to use for clustering. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    pub cluster_password: Option<String>,
    /// Cluster node connectors list separated by comma, e.g. tcp://server:61616,tcp://server2:61616
    #[arg(long, alias = "staticCluster")]
    pub static_cluster: Option<String>,
    /// Number of hops on the cluster configuration.
    #[arg(long, default_value = "1", value_parser = int)]
    pub max_hops: i32,
    /// Message load balancing policy for cluster.
    #[arg(long, default_value = "ON_DEMAND", value_parser = [
        "OFF", "STRICT", "ON_DEMAND", "OFF_WITH_REDISTRIBUTION", "LOCAL_ONLY"])]
    pub message_load_balancing: String,
}

#[derive(Debug, Args)]
pub struct WebArguments {
    /// Whether to omit the web-server definition from bootstrap.xml.
    #[arg(long)]
    pub no_web: bool,
    /// Embedded web server's host name.
    #[arg(long, default_value = "localhost")]
    pub http_host: String,
    /// Embedded web server's port.
    #[arg(long, default_value = "8161", value_parser = int)]
    pub http_port: i32,
    /// Disable strict checking in jolokia-access.xml.
    #[arg(long)]
    pub relax_jolokia: bool,
    /// Embedded web server's key store path.
    #[arg(long)]
    pub ssl_key: Option<String>,
    /// The key store's password. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    pub ssl_key_password: Option<String>,
    /// The trust store path in case of client authentication.
    #[arg(long)]
    pub ssl_trust: Option<String>,
    /// The trust store's password. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    pub ssl_trust_password: Option<String>,
    /// If the embedded server requires client authentication.
    #[arg(long)]
    pub use_client_auth: bool,
}

#[derive(Debug, Args)]
pub struct JavaArguments {
    /// Written to the profile for other brokers; there is no JVM here.
    #[arg(long, default_value = "2G")]
    pub java_memory: String,
    /// Words for the profile; -Dname=value defines ${name} for the configuration files.
    #[arg(long, allow_hyphen_values = true)]
    pub java_options: Vec<String>,
    /// Words for the utility profile; -Dname=value defines ${name} for the configuration files.
    #[arg(long, allow_hyphen_values = true)]
    pub java_utility_options: Vec<String>,
}

/// Known so that they are refused by name: messages in a database are not built.
#[derive(Debug, Args)]
pub struct JdbcArguments {
    /// Store message data in JDBC instead of local files. Not built.
    #[arg(long)]
    pub jdbc: bool,
    #[arg(long, hide = true)]
    pub jdbc_bindings_table_name: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_connection_url: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_driver_class_name: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_large_message_table_name: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_lock_expiration: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_lock_renew_period: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_message_table_name: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_network_timeout: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_node_manager_table_name: Option<String>,
    #[arg(long, hide = true)]
    pub jdbc_page_store_table_name: Option<String>,
}
