//! The pharmacy partner: what it says, what each answer means, what comes in.
