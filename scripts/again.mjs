// Tests that failed are run again, each alone: what fails by chance is told from what fails, and both are shown.
import { readFileSync, writeFileSync } from 'node:fs'

const read = path => JSON.parse(readFileSync(path, 'utf8'))

/** With more, the machine or the change is at fault, and no single test. */
const MOST = 5

/**
 * What of a report of vitest (JSON) may be run again, or null if something else went wrong: a file that could not be
 * read, a hook, an error outside of every test.
 */
function failuresOf(report) {
  const broken = report.testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some(test => test.status === 'failed')
  })
  const failures = report.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(test => ({ file, name: test.fullName })),
  )
  return broken.length > 0 || failures.length === 0 || failures.length > MOST ? null : failures
}

/**
 * Runs each test that failed `times` times more, alone. All that pass every time are listed, and counted as passed in
 * the report; the answer says whether nothing is left that failed.
 *
 * @param path the report, which is written anew
 * @param run runs one test, with a report of its own at the path given: resolves with the exit code
 */
export async function again(path, times, run) {
  const report = read(path)
  const failures = failuresOf(report)
  if (failures === null) return false
  const own = `${path}.again`
  // A pattern that fits no test is no failure for vitest, and no pass.
  const passes = async failure => (await run(failure, own)) === 0 && read(own).numPassedTests > 0
  const byChance = []
  for (const failure of failures) {
    let passed = 0
    while (passed < times && (await passes(failure))) passed += 1
    if (passed === times) byChance.push(failure)
  }
  for (const { name } of byChance) console.log(`Failed once, and passed ${times} times alone: ${name}`)
  const numFailedTests = report.numFailedTests - byChance.length
  const numPassedTests = report.numPassedTests + byChance.length
  writeFileSync(path, JSON.stringify({ ...report, numFailedTests, numPassedTests }))
  return numFailedTests === 0
}
