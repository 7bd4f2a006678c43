/** Audio classification, detection, denoising and generation with state space models. Nothing is exported yet: see the table of packages in the repository's README for what works today. */
export {};
