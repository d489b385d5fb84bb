//! Use cases of the control plane, each one authorised unit of work.
