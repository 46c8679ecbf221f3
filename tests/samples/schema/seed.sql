-- The seed schema, as given, with the corrections the design states: times are timestamptz, and chat_messages has the
-- key (id, created_at), because a partitioned table's key must hold the column it is partitioned by.

CREATE TABLE products (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    brand VARCHAR(100),
    sku VARCHAR(50),
    thc_percentage DECIMAL(5, 2),
    cbd_percentage DECIMAL(5, 2),
    strain_type VARCHAR(20),
    weight_grams DECIMAL(8, 2),
    price DECIMAL(10, 2),
    source VARCHAR(50),
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE customer_profiles (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    external_customer_id VARCHAR(100) NOT NULL,
    preferred_thc_range NUMRANGE,
    preferred_cbd_range NUMRANGE,
    preferred_strain_types TEXT[],
    purchase_frequency INTEGER,
    avg_spending DECIMAL(10, 2),
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE customer_biometrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id UUID REFERENCES customer_profiles (id),
    encrypted_template BYTEA NOT NULL,
    confidence_score DECIMAL(5, 4),
    created_at TIMESTAMPTZ DEFAULT now(),
    expires_at TIMESTAMPTZ
);

CREATE TABLE chat_sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id UUID REFERENCES customer_profiles (id),
    session_start TIMESTAMPTZ DEFAULT now(),
    session_end TIMESTAMPTZ,
    language VARCHAR(5),
    total_messages INTEGER DEFAULT 0
);

CREATE TABLE chat_messages (
    id UUID DEFAULT gen_random_uuid(),
    session_id UUID REFERENCES chat_sessions (id),
    message_text TEXT,
    created_at TIMESTAMPTZ DEFAULT now(),
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE TABLE price_history (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id UUID REFERENCES products (id),
    competitor VARCHAR(100),
    price DECIMAL(10, 2),
    in_stock BOOLEAN,
    scraped_at TIMESTAMPTZ DEFAULT now()
);

CREATE INDEX ON products (strain_type);
CREATE INDEX ON products USING GIST (numrange(thc_percentage - 2, thc_percentage + 2));
CREATE INDEX ON price_history (scraped_at DESC);
