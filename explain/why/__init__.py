"""Why a model errs: what its mistakes share, and what taught it."""
