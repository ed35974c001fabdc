/** The experiments, in the order in which the list shows them. */
import type { Experiment } from '../experiment.ts'
import { employee } from './employee/employee.ts'

export const experiments: readonly Experiment[] = [employee]

export function experimentNamed(name: string): Experiment | undefined {
  return experiments.find(experiment => experiment.name === name)
}
