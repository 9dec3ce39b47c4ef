/** One chunk the engine yielded: plain text, or a piece of reasoning or of a tool call. */
export type Token = string | MarkedToken;

export type TokenKind = 'text' | 'reasoning' | 'tool_call';

/** Which tool call a piece belongs to. `id` and `name` come with the first piece of each call. */
export type ToolRef = { readonly index: number; readonly id?: string; readonly name?: string };

export type MarkedToken = {
  readonly kind: Exclude<TokenKind, 'text'>;
  readonly text: string;
  readonly tool?: ToolRef;
};

export const kindOf = (token: Token): TokenKind => (typeof token === 'string' ? 'text' : token.kind);
export const textOf = (token: Token): string => (typeof token === 'string' ? token : token.text);
export const toolOf = (token: Token): ToolRef | undefined =>
  typeof token === 'string' ? undefined : token.tool;

/** One call the model wants made; `arguments` is the JSON text as the model wrote it. */
export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: string };
