// SPDX-License-Identifier: Apache-2.0
//! Reason codes [MQTT 5.0 §2.4].

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// How something ended, in the numbers of MQTT 5.0. Below 0x80 it went well.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $name = $code,)*
        }

        impl Reason {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name the specification gives it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The reason of a number, if it is one.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// Success, normal disconnection, or QoS 0 granted.
    Success = 0x00, "success";
    /// QoS 1 granted.
    GrantedQos1 = 0x01, "granted QoS 1";
    /// QoS 2 granted.
    GrantedQos2 = 0x02, "granted QoS 2";
    /// The client leaves and wants its will published.
    DisconnectWithWill = 0x04, "disconnect with will message";
    /// The message was taken, and nobody wants it.
    NoMatchingSubscribers = 0x10, "no matching subscribers";
    /// There was nothing to unsubscribe from.
    NoSubscriptionExisted = 0x11, "no subscription existed";
    /// The next step of an authentication.
    ContinueAuthentication = 0x18, "continue authentication";
    /// The client begins to authenticate again.
    ReAuthenticate = 0x19, "re-authenticate";
    /// None of the others.
    UnspecifiedError = 0x80, "unspecified error";
    /// The packet cannot be read.
    MalformedPacket = 0x81, "malformed packet";
    /// The packet must not be sent, or not now.
    ProtocolError = 0x82, "protocol error";
    /// The packet is valid and not accepted here.
    ImplementationSpecificError = 0x83, "implementation specific error";
    /// The version is not spoken here.
    UnsupportedProtocolVersion = 0x84, "unsupported protocol version";
    /// The client identifier is not allowed.
    ClientIdentifierNotValid = 0x85, "client identifier not valid";
    /// The login failed.
    BadUserNameOrPassword = 0x86, "bad user name or password";
    /// The user may not do that.
    NotAuthorized = 0x87, "not authorized";
    /// The broker cannot serve now.
    ServerUnavailable = 0x88, "server unavailable";
    /// The broker has too much to do.
    ServerBusy = 0x89, "server busy";
    /// The client is locked out.
    Banned = 0x8A, "banned";
    /// The broker stops.
    ServerShuttingDown = 0x8B, "server shutting down";
    /// The authentication method is not known, or not the one agreed on.
    BadAuthenticationMethod = 0x8C, "bad authentication method";
    /// The client was silent for too long.
    KeepAliveTimeout = 0x8D, "keep alive timeout";
    /// Another connection uses the client identifier.
    SessionTakenOver = 0x8E, "session taken over";
    /// The topic filter is not accepted.
    TopicFilterInvalid = 0x8F, "topic filter invalid";
    /// The topic is not accepted.
    TopicNameInvalid = 0x90, "topic name invalid";
    /// The packet identifier is in use.
    PacketIdentifierInUse = 0x91, "packet identifier in use";
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92, "packet identifier not found";
    /// More publications are unanswered than allowed.
    ReceiveMaximumExceeded = 0x93, "receive maximum exceeded";
    /// The topic alias stands for nothing.
    TopicAliasInvalid = 0x94, "topic alias invalid";
    /// The packet is larger than allowed.
    PacketTooLarge = 0x95, "packet too large";
    /// The client sends too fast.
    MessageRateTooHigh = 0x96, "message rate too high";
    /// A limit is reached.
    QuotaExceeded = 0x97, "quota exceeded";
    /// An operator did it.
    AdministrativeAction = 0x98, "administrative action";
    /// The payload is not what was said of it.
    PayloadFormatInvalid = 0x99, "payload format invalid";
    /// Nothing is retained here.
    RetainNotSupported = 0x9A, "retain not supported";
    /// The QoS is not served here.
    QosNotSupported = 0x9B, "QoS not supported";
    /// For now, another broker is to be used.
    UseAnotherServer = 0x9C, "use another server";
    /// From now on, another broker is to be used.
    ServerMoved = 0x9D, "server moved";
    /// Subscriptions cannot be shared here.
    SharedSubscriptionsNotSupported = 0x9E, "shared subscriptions not supported";
    /// Too many connections in a time.
    ConnectionRateExceeded = 0x9F, "connection rate exceeded";
    /// The connection has lasted as long as it may.
    MaximumConnectTime = 0xA0, "maximum connect time";
    /// Subscriptions have no identifiers here.
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription identifiers not supported";
    /// Filters have no wildcards here.
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard subscriptions not supported";
}

impl Reason {
    /// Its number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// It did not go well.
    pub const fn is_error(self) -> bool {
        self.code() >= 0x80
    }

    /// PUBACK and PUBREC may say it [MQTT-3.4.2-1].
    pub const fn is_of_publish(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::NoMatchingSubscribers
                | Self::UnspecifiedError
                | Self::ImplementationSpecificError
                | Self::NotAuthorized
                | Self::TopicNameInvalid
                | Self::PacketIdentifierInUse
                | Self::QuotaExceeded
                | Self::PayloadFormatInvalid
        )
    }

    /// PUBREL and PUBCOMP may say it [MQTT-3.6.2-1].
    pub const fn is_of_release(self) -> bool {
        matches!(self, Self::Success | Self::PacketIdentifierNotFound)
    }

    /// A client's DISCONNECT may say it [MQTT-3.14.2-1].
    pub const fn is_of_leaving(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::DisconnectWithWill
                | Self::UnspecifiedError
                | Self::MalformedPacket
                | Self::ProtocolError
                | Self::ImplementationSpecificError
                | Self::TopicNameInvalid
                | Self::ReceiveMaximumExceeded
                | Self::TopicAliasInvalid
                | Self::PacketTooLarge
                | Self::MessageRateTooHigh
                | Self::QuotaExceeded
                | Self::AdministrativeAction
                | Self::PayloadFormatInvalid
        )
    }
}
