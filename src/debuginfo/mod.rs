//! Types of the traced kernel, out of BTF. [`World`] is all that pass 2 may know of the machine.

use std::sync::Arc;

use crate::host::Host;

/// The machine as pass 2 sees it: facts and types. Everything in it is asked for when first needed and then kept.
pub struct World {
    pub host: Arc<dyn Host>,
}
