# Written by `create`; read by bin/artemis before the other commands.

ARTEMIS_HOME=@{home}
ARTEMIS_INSTANCE=@{instance}
ARTEMIS_DATA_DIR=@{data}

if [ -z "$JAVA_ARGS" ]; then
    JAVA_ARGS=@{java}
fi
