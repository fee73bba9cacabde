// The three streams of a command and what they are able to show.
import { styleText } from 'node:util';

export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Somebody sits there who can be asked: input and the error stream are a terminal. */
  readonly interactive: boolean;
  /** Columns of standard output. */
  readonly width: number;
  readonly paint: Paint;
  readonly paintError: Paint;
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan';
/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

type Environment = Readonly<Record<string, string | undefined>>;

const plain: Paint = (_colour, text) => text;
const coloured: Paint = (colour, text) => styleText(colour, text, { validateStream: false });

/** https://no-color.org: any value but the empty one turns colours off. */
export function paintFor(isTerminal: boolean, environment: Environment): Paint {
  return isTerminal && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb' ? coloured : plain;
}

export function openTerminal(environment: Environment, json: boolean): Terminal {
  const { stdin, stdout, stderr } = process;
  return {
    stdin,
    stdout,
    stderr,
    interactive: Boolean(stdin.isTTY && stderr.isTTY),
    width: stdout.isTTY ? (stdout.columns ?? 80) : 160,
    paint: json ? plain : paintFor(Boolean(stdout.isTTY), environment),
    paintError: json ? plain : paintFor(Boolean(stderr.isTTY), environment),
  };
}

const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Names come from anywhere; none of them may move the cursor, colour the screen or turn the writing direction. */
export function printable(text: string): string {
  return text.replace(unprintable, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

export const printableLines = (values: readonly string[]): string => values.map(printable).join('\n');
