// Does a value have the shape that a TypeBox schema asks for, and if not, what is wrong, in words for the person who wrote it.
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { Settings } from 'typebox/system';

// All branches of a union have to be heard, or the one that was meant cannot be told from the others.
Settings.Set({ maxErrors: 100 });

export interface Fault {
  readonly text: string;
  /** JSON pointer to what is wrong; of an unknown key to the key itself. */
  readonly pointer: string;
}

export interface Shape {
  /** The first fault in one line (`source.paths[0] must be string`), or undefined. */
  fault(value: unknown): string | undefined;
  /** The same with its place. */
  find(value: unknown): Fault | undefined;
  /** Texts to numbers and booleans where the schema asks for them (query strings). */
  convert(value: unknown): unknown;
}

export function shapeOf(schema: TSchema): Shape {
  const validator = Compile(schema);
  const find = (value: unknown) => (validator.Check(value) ? undefined : describe(relevant(validator.Errors(value)), value));
  return {
    find,
    fault: (value) => find(value)?.text,
    convert: (value) => validator.Convert(value),
  };
}

/**
 * A union reports the faults of all its branches. A branch whose literal (`kind`, `type`) does not match is not the one that was meant,
 * so its faults are left out, unless no branch matches.
 */
function relevant(errors: readonly TLocalizedValidationError[]): readonly TLocalizedValidationError[] {
  const foreign = errors.filter((error) => error.keyword === 'const').map((error) => branchOf(error.schemaPath));
  const meant = errors.filter((error) => !foreign.some((branch) => branch && `${error.schemaPath}/`.startsWith(branch)));
  return meant.some((error) => error.keyword !== 'anyOf') ? meant : errors;
}

/** The branch whose `kind` or `type` a literal's fault speaks of. */
function branchOf(schemaPath: string): string | undefined {
  return /^(.*\/anyOf\/\d+\/)properties\/(?:kind|type)$/.exec(schemaPath)?.[1];
}

function describe(errors: readonly TLocalizedValidationError[], value: unknown): Fault {
  const consts = errors.filter((error) => error.keyword === 'const');
  const unknown = errors.find((error) => error.keyword === 'additionalProperties');
  if (unknown && consts.length === 0) {
    const keys = unknown.params.additionalProperties;
    const text = `${place(unknown.instancePath, 'the input')} has an unknown key ${keys.join(', ')}`;
    return { text, pointer: `${unknown.instancePath}/${keys[0]}` };
  }
  const first = consts[0] ?? errors.find((error) => error.keyword !== 'boolean') ?? errors[0];
  if (!first) return { text: 'the input has the wrong shape', pointer: '' };
  const pointer = first.instancePath;
  const where = place(pointer, 'the input');
  if (first.keyword === 'const') {
    const wanted = consts.filter((error) => error.instancePath === first.instancePath).map((error) => String(error.params.allowedValue));
    return { text: `${where} must be ${wanted.join(' or ')}, not ${show(at(value, pointer))}`, pointer };
  }
  if (first.keyword === 'required') return { text: `${where} lacks ${first.params.requiredProperties.join(', ')}`, pointer };
  return { text: `${where} ${first.message}`, pointer };
}

function place(instancePath: string, root: string): string {
  if (instancePath === '') return root;
  const steps = instancePath.split('/').slice(1);
  return steps.map((step, i) => (/^\d+$/.test(step) ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

function at(value: unknown, instancePath: string): unknown {
  const steps = instancePath.split('/').slice(1);
  return steps.reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], value);
}

function show(value: unknown): string {
  return value === undefined ? 'left out' : (JSON.stringify(value)?.slice(0, 60) ?? typeof value);
}
