// What the page is made of: compressed JSON, and compressed counts.

async function unpacked(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

async function payload() {
  const [data, counts] = await Promise.all([unpacked("payload"), unpacked("counts")]);
  const page = JSON.parse(new TextDecoder().decode(data));
  const view = new DataView(counts);
  const packed = new Uint32Array(counts.byteLength / 4);
  for (let i = 0; i < packed.length; i++) packed[i] = view.getUint32(4 * i, true);
  return { page, packed };
}
