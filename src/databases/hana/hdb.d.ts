// The part of npm's hdb that is used here; it has no types of its own. Source: its README.
declare module 'hdb' {
  export interface Client {
    connect(callback: (error: Error | null | undefined) => void): void;
    exec(command: string, callback: (error: Error | null | undefined, rows: unknown) => void): void;
    on(event: 'error', listener: (error: Error) => void): void;
    on(event: 'close', listener: () => void): void;
    close(): void;
    destroy(error?: Error): void;
  }
  export function createClient(options: Readonly<Record<string, unknown>>): Client;
}
