#include "model/pretok.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* From 10.40 on \p{Han} means the script extensions; Moonshot's regex library means the script. */
#if PCRE2_MAJOR > 10 || (PCRE2_MAJOR == 10 && PCRE2_MINOR >= 40)
#define HAN "\\p{sc:Han}"
#else
#define HAN "\\p{Han}"
#endif

/* Unicode's White_Space, which is \s to the libraries that the originals use. PCRE2's \s is ASCII's
 * here, and with PCRE2_UCP has U+180E besides. */
#define WS                                                                                      \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
/* PCRE2 10.42 has no && in classes. The 7 general categories are L M N P S Z C, so
 * [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]] is what is in none of the others and not Han. */
#define UPPER "[^\\p{Ll}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}" HAN "]"
#define LOWER "[^\\p{Lu}\\p{Lt}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}" HAN "]"
/* (?i:) makes U+017F an s, as the originals' libraries do. */
#define TAIL "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define HEAD "[^\\r\\n\\p{L}\\p{N}]?"
/* Every pattern ends in: \s*[\r\n]+|\s+(?!\S)|\s+ */
#define SPACES "|[" WS "]*[\\r\\n]+|[" WS "]+(?![^" WS "])|[" WS "]+"

static const struct seam_pretok rows[] = {
    {
        /* Moonshot's tokenization_kimi.py (shared facts 5.1) */
        .name = "kimi-k2",
        .pattern = "[" HAN "]+"
                   "|" HEAD UPPER "*" LOWER "+" TAIL "?"
                   "|" HEAD UPPER "+" LOWER "*" TAIL "?"
                   "|\\p{N}{1,3}"
                   "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*" SPACES,
        .by_id = true,
        .whole = true,
    },
    {
        /* transformers 5.12.1, models/qwen2/tokenization_qwen2.py: Qwen 2, 2.5 and 3 */
        .name = "qwen2",
        .pattern = TAIL "|" HEAD "\\p{L}+"
                        "|\\p{N}"
                        "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*" SPACES,
    },
    {
        /* transformers 5.12.1, models/qwen3_5/tokenization_qwen3_5.py */
        .name = "qwen35",
        .pattern = TAIL "|" HEAD "[\\p{L}\\p{M}]+"
                        "|\\p{N}"
                        "| ?[^" WS "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES,
    },
    {
        /* transformers 5.12.1, convert_slow_tokenizer.py, TikTokenConverter: Llama 3 */
        .name = "llama-bpe",
        .pattern = TAIL "|" HEAD "\\p{L}+"
                        "|\\p{N}{1,3}"
                        "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*" SPACES,
        .whole = true,
        .add_bos = true,
    },
};
#define N_ROWS (sizeof rows / sizeof *rows)

const struct seam_pretok *seam_pretok_at(size_t i)
{
    return i < N_ROWS ? &rows[i] : NULL;
}

const struct seam_pretok *seam_pretok_find(struct seam_str name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strlen(rows[i].name) == name.len && memcmp(rows[i].name, name.p, name.len) == 0)
            return &rows[i];
    return NULL;
}
