import { memoryBackend } from '../../src/backends/memory.ts';
import { backendContract } from '../contract/backend.ts';

backendContract('memory', async () => ({ backend: memoryBackend(), cleanup: async () => {} }));
