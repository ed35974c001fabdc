/** Calls `hear` for each whole line of a text that arrives in pieces. */
export function linesOf(hear: (line: string) => void): (piece: Buffer | string) => void {
  let rest = ''
  return piece => {
    const lines = (rest + String(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) hear(line)
  }
}
