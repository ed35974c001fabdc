/**
 * What a page does where scripts run; without, it has its tables, its pictures and the titles of all that is in them.
 *
 * The arrows walk through a picture: left and right within a lane, up and down to what is nearest in time in the next
 * one, Home and End to the ends of a lane. So a picture is one stop of the Tab key. What is pointed at or walked to is
 * told in a line below. A button saves the picture as a file that needs no page around it. What is too wide for the
 * window can be reached by Tab, and scrolled.
 */
export const SCRIPT = `
'use strict'
for (const figure of document.querySelectorAll('figure.lanes')) {
  const detail = document.createElement('p')
  detail.className = 'detail'
  detail.setAttribute('role', 'status')
  detail.textContent = 'Point at something, or walk through the lanes with the arrow keys.'
  for (const svg of figure.querySelectorAll('svg')) walk(svg, detail)
  figure.after(detail)
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Save picture (SVG)'
  button.addEventListener('click', () => save(figure))
  const tools = document.createElement('p')
  tools.className = 'tools'
  tools.append(button)
  detail.after(tools)
}

for (const scroll of document.querySelectorAll('.scroll')) {
  if (scroll.scrollWidth <= scroll.clientWidth) continue
  scroll.setAttribute('tabindex', '0')
  scroll.setAttribute('role', 'region')
  scroll.setAttribute('aria-label', scroll.firstElementChild.getAttribute('aria-label'))
}

function walk(svg, detail) {
  const idle = detail.textContent
  const items = [...svg.querySelectorAll('.item')]
    .map(element => ({ element, lane: Number(element.dataset.lane), x: Number(element.dataset.x) }))
    .sort((a, b) => a.lane - b.lane || a.x - b.x)
  if (items.length === 0) return
  let current = items[0]
  for (const item of items) {
    const { element } = item
    element.setAttribute('tabindex', item === current ? '0' : '-1')
    const tell = () => (detail.textContent = element.getAttribute('aria-label'))
    element.addEventListener('focus', () => {
      current.element.setAttribute('tabindex', '-1')
      element.setAttribute('tabindex', '0')
      current = item
      tell()
    })
    element.addEventListener('pointerenter', tell)
    element.addEventListener('pointerleave', () => {
      const told = svg.contains(document.activeElement) ? current.element.getAttribute('aria-label') : idle
      detail.textContent = told
    })
  }
  svg.addEventListener('keydown', event => {
    const own = items.filter(({ lane }) => lane === current.lane)
    const at = own.indexOf(current)
    const beside = lane => items.filter(item => item.lane === lane)
      .sort((a, b) => Math.abs(a.x - current.x) - Math.abs(b.x - current.x))[0]
    const lanes = [...new Set(items.map(({ lane }) => lane))]
    const row = lanes.indexOf(current.lane)
    const next = {
      ArrowRight: own[at + 1], ArrowLeft: own[at - 1], Home: own[0], End: own[own.length - 1],
      ArrowDown: beside(lanes[row + 1]), ArrowUp: beside(lanes[row - 1]),
    }
    if (!(event.key in next) || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    next[event.key]?.element.focus()
  })
}

function save(figure) {
  const svg = figure.querySelector('svg').cloneNode(true)
  svg.querySelector('.told').setAttribute('display', 'inline')
  svg.setAttribute('height', svg.dataset.tall)
  svg.setAttribute('viewBox', '0 0 ' + svg.getAttribute('width') + ' ' + svg.dataset.tall)
  const style = document.createElementNS('http://www.w3.org/2000/svg', 'style')
  style.textContent = document.getElementById('picture-style').textContent
  svg.prepend(style)
  const text = new XMLSerializer().serializeToString(svg)
  const link = document.createElement('a')
  link.href = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(text)
  link.download = figure.id + '.svg'
  link.click()
}
`
