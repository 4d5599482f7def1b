//! Kinds of actions and what each may touch: the table that everything else here is indexed by.

use vgpu_types::Change;

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Change::Share`].
    Share,
    /// [`Change::Supply`].
    Supply,
    /// [`Change::PowerLimit`].
    PowerLimit,
    /// [`Change::TierQuota`].
    TierQuota,
    /// [`Change::Workers`].
    Workers,
    /// [`Change::Pace`].
    Pace,
}

/// Kinds that there are.
pub const N_KINDS: usize = 6;

/// What an action may touch, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effects(pub u8);

impl Effects {
    /// Who gets how much.
    pub const SHARES: Self = Self(1);
    /// What the machine may draw and how fast it runs.
    pub const LIMITS: Self = Self(2);
    /// Where data lies.
    pub const TIERS: Self = Self(4);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; N_KINDS] =
        [Self::Share, Self::Supply, Self::PowerLimit, Self::TierQuota, Self::Workers, Self::Pace];

    /// The kind of a change.
    #[inline]
    pub const fn of(change: &Change) -> Self {
        match change {
            Change::Share { .. } => Self::Share,
            Change::Supply { .. } => Self::Supply,
            Change::PowerLimit { .. } => Self::PowerLimit,
            Change::TierQuota { .. } => Self::TierQuota,
            Change::Workers { .. } => Self::Workers,
            Change::Pace { .. } => Self::Pace,
        }
    }

    /// Its name in rules and policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Supply => "supply",
            Self::PowerLimit => "power_limit",
            Self::TierQuota => "tier_quota",
            Self::Workers => "workers",
            Self::Pace => "pace",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a change of this kind touches, by its nature.
    pub const fn effects(self) -> Effects {
        match self {
            Self::Share | Self::Supply => Effects::SHARES,
            Self::PowerLimit | Self::Workers | Self::Pace => Effects::LIMITS,
            Self::TierQuota => Effects::TIERS,
        }
    }
}

/// The number that a change sets.
#[inline]
pub const fn amount(change: &Change) -> u32 {
    match *change {
        Change::Share { units, .. } | Change::Supply { units, .. } => units,
        Change::PowerLimit { milliwatts } => milliwatts,
        Change::TierQuota { mebibytes, .. } => mebibytes,
        Change::Workers { n } => n,
        Change::Pace { permille } => permille,
    }
}

/// The tenant that a change concerns, when it is one.
pub const fn tenant(change: &Change) -> Option<u32> {
    match *change {
        Change::Share { tenant, .. } | Change::TierQuota { tenant, .. } => Some(tenant),
        _ => None,
    }
}
