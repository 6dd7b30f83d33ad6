//! Patches: JSON Patch, merge patch, strategic merge patch, server-side apply with field ownership.
