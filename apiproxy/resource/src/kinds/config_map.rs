//! ConfigMaps.

use crate::strategy::BASE;
use crate::{Scope, Strategy};

pub(super) static CONFIG_MAP: Strategy = Strategy { plural: "configmaps", scope: Scope::Namespaced, ..BASE };
