/** What an image is made of: the packages that were bundled, their licences, and both as a bill of materials. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const OURS = '@sluice/';

/** The folder of the package that a bundled file belongs to, as in `node_modules/a/node_modules/@b/c`. */
const folderOf = (file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];

/**
 * The packages of others whose code is in a bundle, by name.
 * @param files what went into the bundles, as paths from `root`
 */
export const bundledPackages = async (root, files) => {
  const folders = new Set(files.map((file) => folderOf(resolve(root, file))));
  const found = [];
  for (const folder of folders) {
    if (folder === undefined) continue;
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    if (!name.startsWith(OURS)) found.push({ name, version, license, folder });
  }
  return found.toSorted((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
};

const purlOf = ({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`;

/** CycloneDX 1.5, without a time or a random number: the same sources make the same file. */
export const billOfMaterials = ({ version, license }, packages) => {
  const licensed = (expression) => (expression === undefined ? {} : { licenses: [{ expression }] });
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: { type: 'application', name: 'sluice', version, ...licensed(license) },
    },
    components: packages.map((each) => ({
      type: 'library',
      'bom-ref': purlOf(each),
      name: each.name,
      version: each.version,
      purl: purlOf(each),
      ...licensed(each.license),
    })),
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
};

/** Most licences ask that their text goes along with the code. */
export const licenceTexts = async (packages) => {
  const parts = [];
  for (const { name, version, license, folder } of packages) {
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    const text =
      file === undefined ? `${license}, without a text` : await readFile(join(folder, file), 'utf8');
    parts.push(`${name} ${version}\n\n${text.trim()}\n`);
  }
  return parts.join(`\n${'-'.repeat(80)}\n\n`);
};
