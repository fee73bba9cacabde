// A pair whose application is not on this host has worked, and yet froze nothing.
import type { FreezeFacts } from '../../ports/quiescer.ts';

export const absentFacts: FreezeFacts = { absent: 'yes' };

export const isAbsent = (facts: FreezeFacts | undefined): boolean => facts?.['absent'] === 'yes';
