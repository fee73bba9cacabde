// How much of what there may be at most (guide 1.6).

export const quotas = { backupPolicies: 32, replicationPolicies: 32, resourcesPerVault: 256 } as const;

/** Whole GB that a vault may be made for. */
export const capacityRange = { least: 10, most: 10_485_760 } as const;

/** Capacities are counted in GB of 2^30 bytes (requirement P5). */
export const gigabyte = 1024 ** 3;
