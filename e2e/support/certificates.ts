import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** Paths of PEM files. */
export type Certificate = { readonly certificate: string; readonly key: string };

/** An authority of the test's own. */
export type Authority = {
  /** path of its certificate */
  readonly ca: string;
  /** @param names of the subject, as in `DNS:localhost,IP:127.0.0.1` */
  issue(name: string, names: string): Promise<Certificate>;
  close(): Promise<void>;
};

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export const openAuthority = async (): Promise<Authority> => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ca-'));
  const openssl = (...args: readonly string[]) => promisify(execFile)('openssl', args, { cwd: folder });
  const pem = (name: string): Certificate => ({
    certificate: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  });
  const ca = pem('ca');
  await openssl(
    'req',
    '-x509',
    ...KEY,
    '-keyout',
    ca.key,
    '-out',
    ca.certificate,
    '-days',
    '2',
    '-subj',
    '/CN=ca',
  );
  return {
    ca: ca.certificate,
    issue: async (name, names) => {
      const { certificate, key } = pem(name);
      const [request, extensions] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)];
      await writeFile(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
      await openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
      const signer = ['-CA', ca.certificate, '-CAkey', ca.key, '-CAcreateserial'];
      await openssl(
        ...['x509', '-req', '-in', request, ...signer],
        ...['-days', '2', '-extfile', extensions, '-out', certificate],
      );
      return { certificate, key };
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
};
