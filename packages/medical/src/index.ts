/** Medical imaging, ECG and genomics with state space models (not for clinical use). Nothing is exported yet: see the table of packages in the repository's README for what works today. */
export {};
