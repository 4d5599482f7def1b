//! Capabilities: who may propose which kinds of action, decided once by Cedar policies and carried as a value.
//!
//! Asking Cedar takes microseconds, so it is asked when a session begins, not before every action: [`Authority::mint`] asks
//! once per kind of action and returns a [`Capability`] with the kinds that are allowed, for one tenant's things or the whole
//! device's, until a time. A capability cannot be made in another way, and can only be narrowed.
//!
//! Policies see principals `User::"name"` in groups `Group::"name"`, actions `Action::"share"` and so on
//! ([`Kind::name`]), and resources `Tenant::"7"` or `Device::"device"`. What no policy permits is forbidden.

use crate::action::{Kind, N_KINDS};
use cedar_policy::{Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request};
use std::collections::{HashMap, HashSet};
use thiserror::Error;

/// Whose things a capability is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One tenant's.
    Tenant(u32),
    /// Everybody's.
    Device,
}

/// The right to propose actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    holder: String,
    kinds: [bool; N_KINDS],
    scope: Scope,
    expires_ns: u64,
}

/// Why a capability does not cover an action.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotCovered {
    /// The kind was not granted.
    #[error("{holder} may not change {kind:?}")]
    Kind {
        /// Who.
        holder: String,
        /// What.
        kind: Kind,
    },
    /// It concerns something outside the scope.
    #[error("{holder} may only change what belongs to tenant {tenant}")]
    Scope {
        /// Who.
        holder: String,
        /// Whose things it may change.
        tenant: u32,
    },
    /// It was for an earlier time.
    #[error("the capability of {holder} ended at {expires_ns} ns")]
    Expired {
        /// Who.
        holder: String,
        /// When.
        expires_ns: u64,
    },
}

impl Capability {
    /// Who holds it.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Whether it covers this kind of action, on this tenant's things (`None`: the device's), at this time.
    ///
    /// # Errors
    /// Why not.
    pub fn covers(&self, kind: Kind, tenant: Option<u32>, now_ns: u64) -> Result<(), NotCovered> {
        let holder = || self.holder.clone();
        if now_ns >= self.expires_ns {
            return Err(NotCovered::Expired { holder: holder(), expires_ns: self.expires_ns });
        }
        if !self.kinds[kind as usize] {
            return Err(NotCovered::Kind { holder: holder(), kind });
        }
        match self.scope {
            Scope::Tenant(own) if tenant != Some(own) => Err(NotCovered::Scope { holder: holder(), tenant: own }),
            _ => Ok(()),
        }
    }

    /// The same with fewer kinds and an earlier end.
    #[must_use]
    pub fn narrowed(&self, kinds: &[Kind], expires_ns: u64) -> Self {
        let mut narrow = self.clone();
        for kind in Kind::ALL {
            narrow.kinds[kind as usize] &= kinds.contains(&kind);
        }
        narrow.expires_ns = self.expires_ns.min(expires_ns);
        narrow
    }
}

/// Policies or names that Cedar cannot read.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The text of the policies.
    #[error("cannot read the policies: {0}")]
    Policies(String),
    /// A name or a set of groups.
    #[error("cannot express {what} to the policies: {why}")]
    Name {
        /// Which.
        what: String,
        /// Why not.
        why: String,
    },
}

/// Decides who gets which capability.
pub struct Authority {
    policies: PolicySet,
    authorizer: Authorizer,
}

impl Authority {
    /// An authority with these policies, in Cedar's language.
    ///
    /// # Errors
    /// The text is not Cedar.
    pub fn new(policies: &str) -> Result<Self, AuthorityError> {
        let policies = policies.parse().map_err(|error| AuthorityError::Policies(format!("{error:?}")))?;
        Ok(Self { policies, authorizer: Authorizer::new() })
    }

    /// The capability of a user in these groups, for this scope, until `expires_ns`. It may be empty.
    ///
    /// # Errors
    /// A name cannot be expressed.
    pub fn mint(
        &self,
        user: &str,
        groups: &[&str],
        scope: Scope,
        expires_ns: u64,
    ) -> Result<Capability, AuthorityError> {
        let resource = match scope {
            Scope::Tenant(tenant) => uid("Tenant", &tenant.to_string())?,
            Scope::Device => uid("Device", "device")?,
        };
        let principal = uid("User", user)?;
        let entities = entities(&principal, groups)?;
        let mut kinds = [false; N_KINDS];
        for kind in Kind::ALL {
            let action = uid("Action", kind.name())?;
            let request = Request::new(principal.clone(), action, resource.clone(), Context::empty(), None);
            let request = request.map_err(|error| name_error(user, &error))?;
            let answer = self.authorizer.is_authorized(&request, &self.policies, &entities);
            // An error inside a policy must not open anything.
            let sound = answer.diagnostics().errors().next().is_none();
            kinds[kind as usize] = sound && answer.decision() == Decision::Allow;
        }
        Ok(Capability { holder: user.to_owned(), kinds, scope, expires_ns })
    }
}

fn name_error(what: &str, why: &dyn std::fmt::Display) -> AuthorityError {
    AuthorityError::Name { what: what.to_owned(), why: why.to_string() }
}

fn uid(kind: &str, name: &str) -> Result<EntityUid, AuthorityError> {
    let kind = kind.parse().map_err(|error: cedar_policy::ParseErrors| name_error(kind, &error))?;
    // The name is data, never parsed: nothing in it can be taken for a policy.
    Ok(EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(name)))
}

fn entities(principal: &EntityUid, groups: &[&str]) -> Result<Entities, AuthorityError> {
    let parents: HashSet<EntityUid> = groups.iter().map(|group| uid("Group", group)).collect::<Result<_, _>>()?;
    let mut all: Vec<Entity> = parents.iter().cloned().map(Entity::with_uid).collect();
    let user = Entity::new(principal.clone(), HashMap::new(), parents);
    all.push(user.map_err(|error| name_error("the user", &error))?);
    Entities::from_entities(all, None).map_err(|error| name_error("the groups", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: &str = r#"
        permit(principal in Group::"operators", action, resource);
        permit(principal, action in [Action::"share", Action::"tier_quota"], resource == Tenant::"7");
        forbid(principal == User::"eve", action, resource);
    "#;

    fn kinds(user: &str, groups: &[&str], scope: Scope) -> Vec<Kind> {
        let capability = Authority::new(POLICIES).expect("Cedar").mint(user, groups, scope, 100).expect("names");
        let tenant = match scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::Device => None,
        };
        Kind::ALL.into_iter().filter(|kind| capability.covers(*kind, tenant, 0).is_ok()).collect()
    }

    #[test]
    fn policies_decide() {
        assert_eq!(kinds("olga", &["operators"], Scope::Device), Kind::ALL);
        assert_eq!(kinds("tom", &["users"], Scope::Tenant(7)), [Kind::Share, Kind::TierQuota]);
        assert_eq!(kinds("tom", &["users"], Scope::Tenant(8)), []);
        assert_eq!(kinds("eve", &["operators"], Scope::Device), []);
        assert_eq!(kinds(r#"tom" || true || ""#, &[], Scope::Device), [], "a name is not code");
        assert!(Authority::new("permit(everything);").is_err());
    }

    #[test]
    fn scope_time_and_narrowing() {
        let authority = Authority::new(POLICIES).expect("Cedar");
        let own = authority.mint("tom", &[], Scope::Tenant(7), 100).expect("names");
        assert_eq!(own.covers(Kind::Share, Some(7), 99), Ok(()));
        assert!(matches!(own.covers(Kind::Share, Some(8), 99), Err(NotCovered::Scope { tenant: 7, .. })));
        assert!(matches!(own.covers(Kind::Share, None, 99), Err(NotCovered::Scope { .. })));
        assert!(matches!(own.covers(Kind::Share, Some(7), 100), Err(NotCovered::Expired { .. })));
        assert_eq!(own.covers(Kind::Pace, Some(7), 0).expect_err("not granted").to_string(), "tom may not change Pace");
        let narrow = own.narrowed(&[Kind::TierQuota, Kind::Pace], 500);
        assert!(narrow.covers(Kind::Share, Some(7), 0).is_err());
        assert!(narrow.covers(Kind::Pace, Some(7), 0).is_err(), "narrowing adds nothing");
        assert_eq!(narrow.covers(Kind::TierQuota, Some(7), 99), Ok(()));
        assert!(narrow.covers(Kind::TierQuota, Some(7), 100).is_err(), "nor does it last longer");
    }
}
