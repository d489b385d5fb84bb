//! The data plane: may this agent do this now?
