/**
 * Makes the children of `target` those of `source` by changing as little as possible. Nodes that stay the same
 * keep their identity, so nothing flickers and a selection survives while the text grows behind it.
 */
export const morph = (target: Node, source: Node): void => {
  const wanted = [...source.childNodes];
  const present = [...target.childNodes];
  wanted.forEach((node, index) => {
    const old = present[index];
    if (old === undefined) target.appendChild(node);
    else if (!morphNode(old, node)) target.replaceChild(node, old);
  });
  for (const surplus of present.slice(wanted.length)) surplus.remove();
};

/** @returns false when the two are of different kinds */
const morphNode = (old: Node, wanted: Node): boolean => {
  if (old instanceof Text && wanted instanceof Text) {
    morphText(old, wanted.data);
    return true;
  }
  if (!(old instanceof Element) || !(wanted instanceof Element) || old.tagName !== wanted.tagName)
    return false;
  morphAttributes(old, wanted);
  morph(old, wanted);
  return true;
};

const morphText = (old: Text, text: string): void => {
  if (text === old.data) return;
  if (text.startsWith(old.data)) old.appendData(text.slice(old.data.length));
  else old.data = text;
};

const morphAttributes = (old: Element, wanted: Element): void => {
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
};
