// Byte work: substring search, run lengths, base64, CRC, hashing, case folding of vectors.
//@ run: kernel=find grid=2 block=64
//@ arg: in text: u8[128] = random(211, 97, 100)
//@ arg: out out: u8[128]
//@ numpy: s = bytes(text); out = np.uint8([s.startswith(b"aba", i) for i in range(128)])
//@ run: kernel=crc grid=1 block=32
//@ arg: in data: u8[640] = random(212)
//@ arg: out out: u32[32]
//@ numpy: import zlib; out = np.uint32([zlib.crc32(bytes(data[i * 20:i * 20 + 20])) for i in range(32)])
//@ run: kernel=base64 grid=1 block=40
//@ arg: in data: u8[120] = random(213)
//@ arg: out out: u8[160]
//@ numpy: import base64; out = np.frombuffer(base64.b64encode(bytes(data)), np.uint8)
//@ run: kernel=fnv grid=1 block=50
//@ arg: in data: u8[500] = random(214)
//@ arg: out out: u64[50]
extern "C" __global__ void find(const unsigned char *text, unsigned char *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    const char *pattern = "aba";
    unsigned k = 0;
    while (pattern[k] && i + k < 128 && text[i + k] == pattern[k]) k++;
    out[i] = pattern[k] == 0;
}
extern "C" __global__ void crc(const unsigned char *data, unsigned *out) {
    __shared__ unsigned table[256];
    for (unsigned i = threadIdx.x; i < 256; i += 32) {
        unsigned c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    __syncwarp();
    unsigned c = ~0u;
    for (int k = 0; k < 20; k++) c = table[(c ^ data[threadIdx.x * 20 + k]) & 255] ^ (c >> 8);
    out[threadIdx.x] = ~c;
}
__constant__ char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
extern "C" __global__ void base64(const unsigned char *data, uchar4 *out) {
    unsigned t = threadIdx.x, v = data[t * 3] << 16 | data[t * 3 + 1] << 8 | data[t * 3 + 2];
    out[t] = make_uchar4(digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]);
}
extern "C" __global__ void fnv(const unsigned char *data, unsigned long long *out) {
    unsigned long long h = 0xcbf29ce484222325ull;
    for (int k = 0; k < 10; k++) h = (h ^ data[threadIdx.x * 10 + k]) * 0x100000001b3ull;
    out[threadIdx.x] = h;
}
