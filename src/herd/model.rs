//! The model of the protocol (to come).
