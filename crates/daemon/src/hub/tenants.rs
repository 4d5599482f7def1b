//! Tenants: a name and a token's hash in the store, an account in the market.
//!
//! A tenant is made in two steps, account first. A crash between them leaves an account that no tenant names; it is closed at
//! the next start. Closing goes the other way round: row first, then the account.

use super::epoch::Author;
use super::{HubError, State};
use crate::store::Ticket;
use crate::token::{self, TokenHash};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use vgpu_market::{Command, Receipt, TenantId, Utility};
use vgpu_policy::Change;

/// A tenant's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its number, the market's.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Hash of its token.
    pub token: TokenHash,
}

/// What tenants want that did not say: mostly compute, some of everything.
fn default_utility(n_resources: usize) -> Utility {
    Utility::CobbDouglas { weights: (0..n_resources).map(|resource| if resource == 0 { 6 } else { 1 }).collect() }
}

impl State {
    pub(super) fn find_tenants(&mut self) -> Result<(), HubError> {
        let rows = self.store.all::<Tenant>("tenant")?;
        let accounts: Vec<u32> = self.market.market().tenants().map(|tenant| tenant.0).collect();
        for (key, tenant) in rows {
            if accounts.contains(&tenant.id) {
                self.know(tenant);
            } else {
                // Closed: the account went, and then the machine.
                self.store.remove("tenant", &key).wait()?;
            }
        }
        for account in accounts {
            if !self.tenants.contains_key(&account) {
                self.command(&Command::CloseTenant { tenant: TenantId(account) })?;
            }
        }
        Ok(())
    }

    fn know(&mut self, tenant: Tenant) {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.token, tenant.id);
        self.tenants.insert(tenant.id, tenant);
    }

    /// Makes a tenant; its token is good when the ticket is redeemed.
    ///
    /// # Errors
    /// The name is taken or not one; the market refuses.
    pub fn open_tenant(
        &mut self,
        name: &str,
        budget: vgpu_market::Credits,
    ) -> Result<(Tenant, String, Ticket), HubError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            let accepted = "1 to 64 letters, digits, `-`, `_` and `.`";
            return Err(HubError::Invalid(format!("the name is {name:?}; accepted are {accepted}")));
        }
        if self.tenants.values().any(|tenant| tenant.name == name) {
            return Err(HubError::Invalid(format!("there is a tenant named {name} already")));
        }
        let token = token::new_token().map_err(|error| HubError::System(error.to_string()))?;
        let Receipt::Tenant(TenantId(id)) = self.command(&Command::OpenTenant { budget })? else {
            return Err(HubError::Broken("the market opened no tenant".to_owned()));
        };
        let utility = default_utility(self.market.market().config().resources.len());
        self.command(&Command::Declare { tenant: TenantId(id), utility })?;
        let tenant = Tenant { id, name: name.to_owned(), token: token::hash(&token) };
        let ticket = self.store.put("tenant", &format!("{id:010}"), &tenant);
        self.know(tenant.clone());
        self.device.know_tenants(id as usize + 1);
        Ok((tenant, token, ticket))
    }

    /// Gives a tenant a new token; the old one is good no more.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn new_token(&mut self, id: u32) -> Result<(Tenant, String, Ticket), HubError> {
        let token = token::new_token().map_err(|error| HubError::System(error.to_string()))?;
        let tenant = self.tenants.get_mut(&id).ok_or(HubError::UnknownTenant(id))?;
        let old = std::mem::replace(&mut tenant.token, token::hash(&token));
        let tenant = tenant.clone();
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(&old);
        self.know(tenant.clone());
        let ticket = self.store.put("tenant", &format!("{id:010}"), &tenant);
        Ok((tenant, token, ticket))
    }

    /// Ends a tenant: its jobs, its data, its orders, its credits.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn close_tenant(&mut self, id: u32) -> Result<Ticket, HubError> {
        let tenant = self.tenants.remove(&id).ok_or(HubError::UnknownTenant(id))?;
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant.token);
        let ticket = self.store.remove("tenant", &format!("{id:010}"));
        self.jobs.close_tenant(id);
        self.command(&Command::CloseTenant { tenant: TenantId(id) })?;
        let n_resources = self.market.market().config().resources.len();
        let changes = (0..n_resources as u16).map(|resource| Change::Share { tenant: id, resource, units: 0 });
        for change in changes.collect::<Vec<_>>() {
            // Shares only shrink here, which the guard never minds; the audit log has it.
            let _ = self.propose(Author::Market, "the tenant was closed", change);
        }
        self.device.note_use(id, 0);
        let quota = Change::TierQuota { tenant: id, tier: 0, mebibytes: 0 };
        let _ = self.propose(Author::Market, "the tenant was closed", quota);
        Ok(ticket)
    }

    /// A tenant.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn tenant(&self, id: u32) -> Result<&Tenant, HubError> {
        self.tenants.get(&id).ok_or(HubError::UnknownTenant(id))
    }
}
