# Written by `create`; read by bin/artemis before `run`, `check` and `perf-journal`.

ARTEMIS_HOME=@{home}
ARTEMIS_INSTANCE=@{instance}
ARTEMIS_DATA_DIR=@{data}

# The program. Without a value here or in the environment the one that wrote this instance is used.
#HIND_HOME=

# Each -Dname=value defines ${name} for broker.xml and its companions.
#ARTEMIS_CLUSTER_PROPS="-Dactivemq.remoting.default.port=61617 -Dactivemq.remoting.amqp.port=5673 -Dactivemq.remoting.stomp.port=61614 -Dactivemq.remoting.hornetq.port=5446"

# The roles that may log in to the console, separated by commas.
HAWTIO_ROLES=@{role}

# There is no JVM here: of these words the -Dname=value have the meaning above, the others none.
if [ -z "$JAVA_ARGS" ]; then
    JAVA_ARGS=@{java}
fi
