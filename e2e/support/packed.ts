import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const REPOSITORY = join(import.meta.dirname, '../..');
const MAX_OUTPUT_BYTES = 1 << 24;

/** Nothing that npm or jest tell their children, no settings of this machine, and no demo that runs on it. */
const environmentIn = (folder: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|SLUICE_(?!NATS_SERVER))/.test(name)),
  ),
  NO_COLOR: '1',
  XDG_RUNTIME_DIR: folder,
});

export type Run = { readonly stdout: string; readonly stderr: string };

/** A folder outside the repository, as a user has one. */
export type UserFolder = {
  readonly path: string;
  /** as `npm install` of a user does; packages of ours by their short names */
  install(ours: readonly string[], ...others: readonly string[]): Promise<Run>;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Runs Node in the folder. @throws Error with all output when it fails */
  node(...args: readonly string[]): Promise<Run>;
};

/** The tarballs, and folders that install from them. */
export type Packed = {
  /** short name -> path */
  readonly tarballs: ReadonlyMap<string, string>;
  folder(name: string): Promise<UserFolder>;
  close(): Promise<void>;
};

const run = async (command: string, args: readonly string[], cwd: string): Promise<Run> => {
  try {
    return await promisify(execFile)(command, args, {
      cwd,
      env: environmentIn(cwd),
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as Partial<Run>;
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
};

/** Packs as `make pack` does. */
export const pack = async (): Promise<Packed> => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-packed-'));
  const tarballs = join(root, 'tarballs');
  await run(process.execPath, ['--import', 'tsx', 'deploy/npm/pack.ts', tarballs], REPOSITORY);
  const named = new Map(
    (await readdir(tarballs)).map((file) => {
      const [, name = file] = /^sluice-([a-z]+)-/.exec(file) ?? [];
      return [name, join(tarballs, file)] as const;
    }),
  );
  const userFolder = (path: string): UserFolder => ({
    path,
    install: (ours, ...others) => {
      const files = ours.map((name) => named.get(name) ?? name);
      const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
      return run('npm', ['install', ...quiet, ...files, ...others], path);
    },
    write: async (files) => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(path, name)), { recursive: true });
        await writeFile(join(path, name), text);
      }
    },
    node: (...args) => run(process.execPath, args, path),
  });
  return {
    tarballs: named,
    folder: async (name) => {
      const path = join(root, name);
      await mkdir(path);
      await writeFile(join(path, 'package.json'), '{ "private": true, "type": "module" }\n');
      return userFolder(path);
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
};
